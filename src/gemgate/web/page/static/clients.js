// How programs are pointed here: for each, what to set, with this gateway's own address in it. docs/front-ends.md says which
// programs there are and what each is told; tests/docs/test_programs.py holds this list to it.
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
  ["langchain", "LangChain", "code", (at) => [["pip install langchain-openai", `from langchain_openai import ChatOpenAI

llm = ChatOpenAI(model="${at.model}", base_url="${at.v1}", api_key="${at.key}", max_retries=0)
print(llm.invoke("Count to 3").content)`]]],
  ["llamaindex", "LlamaIndex", "code", (at) => [["pip install llama-index-llms-openai-like", `from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(
    model="${at.model}",
    api_base="${at.v1}",
    api_key="${at.key}",
    is_chat_model=True,
    is_function_calling_model=True,
    context_window=32000,
    timeout=300,
    max_retries=0,
)
print(llm.complete("Count to 3"))`]]],
  ["vercel", "Vercel AI SDK", "code", (at) => [["npm install @ai-sdk/openai", `import { createOpenAI } from "@ai-sdk/openai";

const gemgate = createOpenAI({ baseURL: "${at.v1}", apiKey: "${at.key}" });
const model = gemgate("${at.model}");`]]],
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
  ["pi", "pi", "tool", (at) => [["~/.pi/agent/models.json", JSON.stringify({
    providers: { gemgate: { baseUrl: at.v1, api: "openai-completions", apiKey: at.key, models: [{ id: at.model }] } },
  }, null, 2)]]],
  ["qwen", "Qwen Code", "tool", (at) => [["sh", `export OPENAI_API_KEY=${at.key}
export OPENAI_BASE_URL=${at.v1}
export OPENAI_MODEL=${at.model}
qwen --auth-type openai`]]],
  ["cline", "Cline", "tool", (at) => [["sh", `cline auth -p openai-compatible -k ${at.key} -m ${at.model} -b ${at.v1}`]]],
  ["aider", "aider", "tool", (at) => [["sh", `export OPENAI_API_BASE=${at.v1}
export OPENAI_API_KEY=${at.key}
aider --model openai/${at.model}`]]],
  ["llm", "llm", "tool", (at) => [
    [["extra-openai-models.yaml, in the folder of `llm logs path`", "extra-openai-models.yaml，放在 `llm logs path` 所在的文件夹中"], `- model_id: ${at.model}
  model_name: ${at.model}
  api_base: ${at.v1}
  api_key_name: openai
  supports_tools: true`], ["sh", `export OPENAI_API_KEY=${at.key}
llm -m ${at.model} "Hello"`]]],
  ["continue", "Continue", "tool", (at) => [["~/.continue/config.yaml", `name: gemgate
version: 1.0.0
schema: v1
models:
  - name: Gemini
    provider: openai
    model: ${at.model}
    apiBase: ${at.v1}
    apiKey: ${at.key}
    roles: [chat, edit, apply]
    capabilities: [tool_use, image_input]`]]],
  ["roo", "Roo Code, Kilo", "tool", (at) => [
    [["Settings → provider OpenAI Compatible", "设置 → provider 选 OpenAI Compatible"], `Base URL  ${at.v1}\nAPI key   ${at.key}\nModel     ${at.model}`]]],
  ["cursor", "Cursor", "tool", (at) => [
    [["Settings → Models → Override OpenAI Base URL; an https address that the Internet reaches", "Settings → Models → Override OpenAI Base URL；须为公网可达的 https 地址"], `Base URL  ${at.v1}\nAPI key   ${at.key}\nModel     ${at.model}`]]],
  ["openwebui", "Open WebUI", "app", (at) => [
    [["Admin Panel → Settings → Connections → OpenAI API → +", "管理员面板 → 设置 → 外部连接 → OpenAI API → +"], `URL  ${at.v1}\nKey  ${at.key}`],
    [["or in its environment", "或使用环境变量"], `OPENAI_API_BASE_URL=${at.v1}\nOPENAI_API_KEY=${at.key}`]]],
  ["nextchat", "NextChat", "app", (at) => [
    [["Settings → Custom Endpoint, provider OpenAI", "设置 → 自定义接口，服务商 OpenAI"], `Endpoint       ${at.root}\nAPI key        ${at.key}\nCustom models  -all,+${at.model}`]]],
  ["librechat", "LibreChat", "app", (at) => [["librechat.yaml", `version: 1.2.1
endpoints:
  custom:
    - name: gemgate
      apiKey: ${at.key}
      baseURL: ${at.v1}
      models:
        default: [${at.model}]
        fetch: true
      titleConvo: true
      titleModel: ${at.model}`]]],
  ["lobechat", "LobeChat", "app", (at) => [
    [["the environment of its server", "其服务端的环境变量"], `OPENAI_PROXY_URL=${at.v1}\nOPENAI_API_KEY=${at.key}\nOPENAI_MODEL_LIST=-all,+${at.model}`]]],
  ["cherry", "Cherry Studio", "app", (at) => [
    [["Settings → Model Provider → Add, type OpenAI", "设置 → 模型服务 → 添加，类型 OpenAI"], `API host  ${at.root}\nAPI key   ${at.key}`]]],
  ["sillytavern", "SillyTavern", "app", (at) => [
    [["API Connections → Chat Completion, source Custom (OpenAI-compatible)", "API 连接 → 聊天补全，来源 Custom (OpenAI-compatible)"], `Base URL  ${at.v1}\nAPI key   ${at.key}`]]],
  ["dify", "Dify", "app", (at) => [
    [["the plugin OpenAI-API-compatible, completion mode Chat", "插件 OpenAI-API-compatible，completion mode 选 Chat"], `Endpoint URL  ${at.v1}\nAPI key       ${at.key}\nModel         ${at.model}`]]],
  ["n8n", "n8n", "app", (at) => [
    [["a credential OpenAI", "凭据 OpenAI"], `Base URL  ${at.v1}\nAPI key   ${at.key}`]]],
  ["oneapi", "One API / New API", "app", (at) => [
    [["A channel of type OpenAI; retries 0", "添加 OpenAI 类型的渠道，重试次数设为 0"], `Base URL  ${at.root}\nKey       ${at.key}\nModels    ${at.model}`]]],
  ["other", ["Any other", "其他程序"], "app", (at) => [
    [["Anything that speaks OpenAI", "任何支持 OpenAI 协议的程序"], `Base URL  ${at.v1}\nAPI key   ${at.key}\nModel     ${at.model}`],
    [["Anthropic or Gemini", "Anthropic 或 Gemini 协议"], `Base URL  ${at.root}\nAPI key   ${at.key}\nModel     ${at.model}`]]],
];
