"""A strict, scriptable stand-in for the Gemini web service: `gemgate demo` runs on it, and it judges the gateway.

    async with Simulator(accounts=("alice",)) as sim:
        sim.google.reply("hello", "Hello yourself", chars=4, pace=0.1)
        sim.google.fault("generate", "reset", after_frames=2, match="bad luck")
        sim.google.reply("a cat", image=Painting("photo", size=(1376, 768), logo="v2"))
        sim.google.refuse("a celebrity", "refusal", language="zh")
        client = GeminiClient(psid, psidts, proxy=sim.proxy_url, verify=str(sim.ca_file))
        ...
        assert sim.record.generations == 1 and not sim.record.violations

`RemoteSimulator.spawn()` and `python -m gemgate_simulator` run it as a process, with the same verbs over HTTP.

From the outside in: `tunnel` (CONNECT, TLS) -> `http1`, `http2` (requests) -> `google` (hosts and paths, the verbs) ->
`generate`, `rpc`, `pages`, `uploads`, `downloads` -> `world` (accounts, chats, script, record, gallery, studio).
Images: `commissions` (who asks for one) -> `illustrate` -> `studio` (rules, files) -> `paint`, `encode`; `gallery`,
`links` and `downloads` serve them.
"""

from gemgate_simulator.paint import Painting
from gemgate_simulator.record import Call, Drawn, Fetch, Record, Seen
from gemgate_simulator.remote import BlockingSimulator, RemoteSimulator
from gemgate_simulator.script import Answer, Canvas, Fault, Prompt, Said, Upload
from gemgate_simulator.simulator import Simulator

__all__ = [
    "Answer",
    "BlockingSimulator",
    "Call",
    "Canvas",
    "Drawn",
    "Fault",
    "Fetch",
    "Painting",
    "Prompt",
    "Record",
    "RemoteSimulator",
    "Said",
    "Seen",
    "Simulator",
    "Upload",
]
