"""Configurations of other gateways as their projects write them (docs/import.md), every value our own."""

from __future__ import annotations

import json

ONE = ("g.a000Qw7rTz2LmK9bVx-4nYp_cJ8sDhGf3aEuRi6oXtB1vM5k0076", "sidts-Hj4kLp9QzXw2_VbN7mRt-YcE3sFgA8uDo1iK6xZ5")
TWO = ("g.a000Lk3jHg8fDs-1aPq_oIuY7tReW4zXcV9bNm2MnB6vCx5Z0076", "sidts-Zx8cVb3Nm1QwEr_TyUi-5oPaS7dFgH2jKlM4nB9vC6")
KEY = "AIzaSyKeyOfTheHouse-0000000000000000"

SECRETS = [
    *ONE,
    *TWO,
    *(f"{KEY}{number}" for number in range(12, 18)),
    *(f"sk-of-the-house-{n}" for n in range(11, 16)),
    "house-key-16",
    "house-key-17",
    "the-page-of-the-house",
    "sk-" + "k9" * 24,
    "k9" * 24,
    "http://user:word@127.0.0.1:3129",
]

FILES = {
    "gemini-fastapi": f"""# of the house
server:
  host: "0.0.0.0"          # everybody
  port: 8123
  api_key: sk-of-the-house-11
  https:
    enabled: true
    key_file: "certs/key.pem"
cors:
  enabled: true
  allow_origins: ["https://chat.example"]
  allow_methods: ["*"]
gemini:
  clients:
    - id: "alice"
      secure_1psid: "{ONE[0]}"
      secure_1psidts: "{ONE[1]}"
      proxy: "http://127.0.0.1:3129"
    - id: bob
      secure_1psid: '{TWO[0]}'
      secure_1psidts: {TWO[1]}
      proxy: null
  timeout: 610
  auto_refresh: true
  refresh_interval: 540    # seconds
  max_chars_per_request: 990000
  models: []
storage:
  path: "data/lmdb"
  retention_days: 13
logging:
  level: "WARNING"
""",
    "gemini2api": f"""GEMINI_PSID={ONE[0]}
GEMINI_PSIDTS="{ONE[1]}"
API_KEY=sk-of-the-house-12
ADMIN_API_KEY=the-page-of-the-house
REFRESH_INTERVAL=6
MAX_CONCURRENT_PER_ACCOUNT=4 # each
CORS_ALLOW_ORIGINS=*
PORT=5919
LOG_LEVEL=info
RATE_LIMIT_ENABLED=false
""",
    "gemini2api keys": json.dumps(
        {
            "0a1b2c3d4e5f": {
                "id": "0a1b2c3d4e5f",
                "provider": "gemini",
                "model": "gemini-2.5-flash",
                "api_key": KEY + "12",
                "base_url": "https://generativelanguage.googleapis.com/v1beta",
                "label": "mine",
                "status": "active",
                "added_at": "2026-10-02T03:04:05",
                "last_used_at": None,
            },
            "1b2c3d4e5f60": {
                "id": "1b2c3d4e5f60",
                "provider": "openai",
                "model": "gpt-4o",
                "api_key": "sk-of-the-house-11",
                "base_url": "https://api.example/v1",
                "label": None,
                "status": "active",
            },
        },
        indent=2,
    ),
    "gemini-web-to-api": f"""# server
PORT=4982
LOG_LEVEL=info
APP_ENV=production
RATE_LIMIT_ENABLED=true
GEMINI_COOKIES="SID=g.a000sidsidsid; __Secure-1PSID={ONE[0]}; __Secure-1PSIDTS={ONE[1]}; SAPISID=abcdefgh/ijklmn"
GEMINI_AUTH_USER=2
GEMINI_REFRESH_INTERVAL=12
GEMINI_MAX_RETRIES=4
GEMINI_TEMPORARY=true
""",
    "gemini-web2api": json.dumps(
        {
            "port": 8091,
            "host": "127.0.0.1",
            "retry_attempts": 2,
            "retry_delay_sec": 3,
            "request_timeout_sec": 190,
            "default_model": "gemini-3.5-flash",
            "api_keys": ["sk-of-the-house-13", "sk-of-the-house-14"],
            "web_password": "the-page-of-the-house",
            "cookie_file": "cookies.txt",
            "proxy": "socks5://127.0.0.1:1081",
            "db_path": "./data/gemini.db",
            "admin_token": "the-page-of-the-house",
            "log_requests": True,
        },
        indent=2,
    ),
    "one-api": json.dumps(
        [
            {
                "id": 1,
                "type": 24,
                "key": f"{KEY}13\n{KEY}14",
                "status": 1,
                "name": "google",
                "weight": 0,
                "base_url": "",
                "models": "gemini-2.5-flash,gemini-2.5-pro",
                "group": "default",
                "model_mapping": "",
            },
            {"id": 2, "type": 1, "key": "sk-of-the-house-11", "status": 1, "name": "other", "models": "gpt-4o"},
            {"id": 3, "type": 24, "key": f"{KEY}15", "status": 2, "name": "off", "models": "gemini-2.5-flash"},
            {"id": 4, "type": 24, "key": "", "status": 1, "name": "listed", "models": "gemini-2.5-flash"},
            {
                "id": 7,
                "user_id": 1,
                "key": "k9" * 24,
                "status": 1,
                "name": "shop",
                "expired_time": -1,
                "remain_quota": 500,
                "unlimited_quota": False,
            },
            {
                "id": 8,
                "user_id": 1,
                "key": "k8" * 24,
                "status": 1,
                "name": "guest",
                "expired_time": 1893456000,
                "remain_quota": 5,
                "unlimited_quota": True,
            },
        ]
    ),
    "litellm": f"""model_list:
  - model_name: house-flash
    litellm_params:
      model: gemini/gemini-2.5-flash
      api_key: {KEY}15
      rpm: 9
  - model_name: gemini-2.5-pro
    litellm_params:
      model: gemini/gemini-2.5-pro
      api_key: os.environ/GEMINI_API_KEY
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: sk-of-the-house-11

router_settings:
  routing_strategy: least-busy
general_settings:
  master_key: sk-of-the-house-15 # of all
  database_url: postgresql://house@127.0.0.1/litellm
""",
    "cli-proxy-api": f"""host: ""
port: 8318
remote-management:
  allow-remote: false
  secret-key: "the-page-of-the-house"
auth-dir: "~/.cli-proxy-api"
api-keys:
- "house-key-16"
- "house-key-17"
debug: true
proxy-url: ""
gemini-api-key:
  - api-key: "{KEY}16"
    base-url: "https://generativelanguage.googleapis.com"
    proxy-url: "socks5://127.0.0.1:1082"
    models:
      - name: "gemini-2.5-flash"
        alias: "house-flash"
  - api-key: "{KEY}17"
    proxy-url: "direct"
  - api-key: "{KEY}12"
    base-url: "https://mirror.example"
claude-api-key:
  - api-key: "sk-of-the-house-14"
""",
}
