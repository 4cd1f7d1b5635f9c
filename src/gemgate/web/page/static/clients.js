// How programs are pointed here: for each, what to set, with this gateway's own address in it (docs/front-ends.md).
const JSON_HEADERS = '-H "Content-Type: application/json"';

/**
 * The programs, as [id, name, kind, steps]. kind: code, tool or app. `steps(at)` gives [where, text] pairs; names and
 * places are a word, or a pair of English and Chinese. `at`: { root, v1, model, key }.
 */
export const CLIENTS = [
  ["curl", "curl", "code", (at) => [["sh", `curl -N ${at.v1}/chat/completions \\
  -H "Authorization: Bearer ${at.key}" ${JSON_HEADERS} \\
  -d '{
    "model": "${at.model}",
    "stream": true,
    "messages": [{"role": "user", "content": "Hello"}]
  }'`]]],
  ["python", "Python", "code", (at) => [["pip install openai", `from openai import OpenAI

client = OpenAI(base_url="${at.v1}", api_key="${at.key}")
answer = client.chat.completions.create(
    model="${at.model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`]]],
  ["javascript", "JavaScript", "code", (at) => [["npm install openai", `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${at.v1}", apiKey: "${at.key}" });
const answer = await client.chat.completions.create({
  model: "${at.model}",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0].message.content);`]]],
  ["anthropic", "Anthropic SDK", "code", (at) => [["pip install anthropic", `from anthropic import Anthropic

client = Anthropic(base_url="${at.root}", api_key="${at.key}")
answer = client.messages.create(
    model="${at.model}",
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)`]]],
  ["google", "Google GenAI SDK", "code", (at) => [["pip install google-genai", `from google import genai

client = genai.Client(api_key="${at.key}", http_options={"base_url": "${at.root}"})
answer = client.models.generate_content(model="${at.model}", contents="Hello")
print(answer.text)`]]],
  ["images", ["Images", "图片"], "code", (at) => [["sh", `curl ${at.v1}/images/generations \\
  -H "Authorization: Bearer ${at.key}" ${JSON_HEADERS} \\
  -d '{"prompt": "a lighthouse in the fog", "size": "2048x2048"}'`]]],
  ["claude", "Claude Code", "tool", (at) => [["sh", `export ANTHROPIC_BASE_URL=${at.root}
export ANTHROPIC_AUTH_TOKEN=${at.key}
export ANTHROPIC_MODEL=${at.model}
export ANTHROPIC_DEFAULT_HAIKU_MODEL=${at.model}
export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
claude`]]],
  ["codex", "Codex", "tool", (at) => [["~/.codex/config.toml", `model = "${at.model}"
model_provider = "gemgate"

[model_providers.gemgate]
name = "gemgate"
base_url = "${at.v1}"
env_key = "GEMGATE_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0`], ["sh", `export GEMGATE_KEY=${at.key}
codex`]]],
  ["gemini", "Gemini CLI", "tool", (at) => [["sh", `export GEMINI_API_KEY=${at.key}
export GOOGLE_GEMINI_BASE_URL=${at.root}
gemini -m ${at.model}`]]],
  ["opencode", "OpenCode", "tool", (at) => [["~/.config/opencode/opencode.json", JSON.stringify({
    provider: { gemgate: {
      npm: "@ai-sdk/openai-compatible", name: "gemgate",
      options: { baseURL: at.v1, apiKey: at.key }, models: { [at.model]: { name: at.model } },
    } },
    model: `gemgate/${at.model}`,
  }, null, 2)]]],
  ["cline", "Cline", "tool", (at) => [["sh", `cline auth -p openai-compatible -k ${at.key} -m ${at.model} -b ${at.v1}`]]],
  ["openwebui", "Open WebUI", "app", (at) => [
    [["Admin Panel → Settings → Connections → OpenAI API → +", "管理员面板 → 设置 → 外部连接 → OpenAI API → +"], `URL  ${at.v1}\nKey  ${at.key}`],
    [["or in its environment", "或使用环境变量"], `OPENAI_API_BASE_URL=${at.v1}\nOPENAI_API_KEY=${at.key}`]]],
  ["nextchat", "NextChat", "app", (at) => [
    [["Settings → Custom Endpoint, provider OpenAI", "设置 → 自定义接口，服务商 OpenAI"], `Endpoint       ${at.root}\nAPI key        ${at.key}\nCustom models  -all,+${at.model}`]]],
  ["oneapi", "One API / New API", "app", (at) => [
    [["A channel of type OpenAI; retries 0", "添加 OpenAI 类型的渠道，重试次数设为 0"], `Base URL  ${at.root}\nKey       ${at.key}\nModels    ${at.model}`]]],
  ["other", ["Any other", "其他程序"], "app", (at) => [
    [["Anything that speaks OpenAI", "任何支持 OpenAI 协议的程序"], `Base URL  ${at.v1}\nAPI key   ${at.key}\nModel     ${at.model}`],
    [["Anthropic or Gemini", "Anthropic 或 Gemini 协议"], `Base URL  ${at.root}\nAPI key   ${at.key}\nModel     ${at.model}`]]],
];
