"""A strict, scriptable stand-in for the Gemini web service: `gemgate demo` runs on it, and it judges the gateway.

    async with Simulator(accounts=("alice",)) as sim:
        sim.google.reply("hello", "Hello yourself")
        client = GeminiClient(psid, psidts, proxy=sim.proxy_url, verify=str(sim.ca_file))

From the outside in: `tunnel` (CONNECT, TLS) -> `http1`, `http2` (requests) -> `google` (hosts and paths, the verbs) ->
`generate`, `rpc`, `pages`, `uploads`, `gallery` -> `world` (accounts, chats, script, record).
"""

from gemgate.simulator.record import Call, Record, Seen
from gemgate.simulator.remote import BlockingSimulator, RemoteSimulator
from gemgate.simulator.script import Answer, Fault, Prompt, Said, Upload
from gemgate.simulator.simulator import Simulator

__all__ = [
    "Answer",
    "BlockingSimulator",
    "Call",
    "Fault",
    "Prompt",
    "Record",
    "RemoteSimulator",
    "Said",
    "Seen",
    "Simulator",
    "Upload",
]
