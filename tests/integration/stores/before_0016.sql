-- What the code of commit e9bdcde8 left in SQLite after chats, responses, an image, an upload and a batch (tests/support/lived_in.py),
-- sealed under the key of tests/support/serving.py.
BEGIN TRANSACTION;
CREATE TABLE "account" (
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	source TEXT NOT NULL, 
	proxy TEXT, 
	proxy_key TEXT, 
	lanes INTEGER, 
	weight DOUBLE NOT NULL, 
	paused BOOLEAN DEFAULT 0 NOT NULL, 
	cookies TEXT, 
	cookies_key TEXT, 
	generation INTEGER DEFAULT '0' NOT NULL, 
	taken TEXT DEFAULT ('') NOT NULL, 
	identity TEXT DEFAULT ('') NOT NULL, 
	state TEXT DEFAULT 'starting' NOT NULL, 
	error_en TEXT DEFAULT ('') NOT NULL, 
	error_zh TEXT DEFAULT ('') NOT NULL, 
	owner TEXT DEFAULT ('') NOT NULL, 
	lease_until DOUBLE DEFAULT '0' NOT NULL, 
	changed_at DOUBLE DEFAULT '0' NOT NULL, 
	fallback BOOLEAN DEFAULT 0 NOT NULL, 
	wall_plain INTEGER, 
	wall_with_files INTEGER, 
	wall_resolution INTEGER, 
	wall_at DOUBLE, 
	wall_tier TEXT, 
	number INTEGER DEFAULT '0' NOT NULL, 
	language TEXT DEFAULT ('') NOT NULL, 
	prompt_max_bytes INTEGER, 
	prompt_with_files_max_bytes INTEGER, 
	google_id TEXT DEFAULT ('') NOT NULL, 
	google_label TEXT DEFAULT ('') NOT NULL, 
	google_seat TEXT DEFAULT ('') NOT NULL, 
	chats_at DOUBLE DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_account PRIMARY KEY (name)
);
INSERT INTO "account" VALUES('default','web','environment','env',NULL,NULL,NULL,1.0,0,'1::gAAAAABrDIu0hHzfobqrw-sa5iB83pXR8XIBcJgnHWknX1Nt9xOpzzKwu7xSeg0bEtEJ6zRsbbX6-GtFlOUtsDnqrS8DKnjLVLbHMxF_T0HkG23H1cbJhLx6aiRuV66YBm36IMwfYiTF4aYl8kvsS5A63zdezyX958PLBt-HsGPpBz6Gyyq-uLsgaInu31YzxiwxHeP5z7jqXuhm8TD1rKRGQq9eaV146COGfiTiQ51EBJgXwiqY-70htRmtvUfg3ATUgNJwZIQMTZOD6-HoJCriZRv69ty66ez4PHTMbRYUYfDQAK3nkZyQCb_rS60unjrktV3ZF2fgldkJXZuvadBNecxJ-IZVCTbnSP_0c0qlyAouBMKS23s=','ca7f6703',1,'c565e9c146cc1774','db0684f952ef','ready','','','',0.0,1.79598430973240184784e+09,0,NULL,NULL,NULL,NULL,NULL,0,'',NULL,NULL,'82558dc73269','al…e@gmail.example','db0684f952ef',1.7959843091683676243e+09);
CREATE TABLE account_circuit (
	account TEXT NOT NULL, 
	capability TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	until DOUBLE NOT NULL, 
	opened_at DOUBLE NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_account_circuit PRIMARY KEY (account, capability), 
	CONSTRAINT fk_account_circuit_account FOREIGN KEY(account) REFERENCES account (name) ON DELETE CASCADE
);
CREATE TABLE address_circuit (
	node TEXT NOT NULL, 
	address TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	until DOUBLE NOT NULL, 
	opened_at DOUBLE NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_address_circuit PRIMARY KEY (node, address)
);
CREATE TABLE alert_channel (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	host TEXT NOT NULL, 
	url TEXT NOT NULL, 
	url_key TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_alert_channel PRIMARY KEY (id)
);
CREATE TABLE audit_line (
	id INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	account TEXT DEFAULT '' NOT NULL, 
	detail TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_audit_line PRIMARY KEY (id)
);
CREATE TABLE batch (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	need TEXT NOT NULL, 
	state TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	concurrency INTEGER NOT NULL, 
	asked INTEGER NOT NULL, 
	queued INTEGER NOT NULL, 
	running INTEGER DEFAULT '0' NOT NULL, 
	done INTEGER DEFAULT '0' NOT NULL, 
	failed INTEGER DEFAULT '0' NOT NULL, 
	cancelled INTEGER DEFAULT '0' NOT NULL, 
	settled INTEGER DEFAULT '0' NOT NULL, 
	model TEXT NOT NULL, 
	as_base64 BOOLEAN NOT NULL, 
	defaults TEXT NOT NULL, 
	about TEXT NOT NULL, 
	idempotency_key TEXT, 
	digest TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	started_at DOUBLE DEFAULT '0' NOT NULL, 
	claimed_at DOUBLE DEFAULT '0' NOT NULL, 
	ended_at DOUBLE DEFAULT '0' NOT NULL, 
	closed_at DOUBLE DEFAULT '0' NOT NULL, 
	expires_at DOUBLE DEFAULT '0' NOT NULL, 
	closer TEXT DEFAULT '' NOT NULL, 
	closer_until DOUBLE DEFAULT '0' NOT NULL, 
	hook_url TEXT DEFAULT '' NOT NULL, 
	hook_secret TEXT DEFAULT '' NOT NULL, 
	hook_secret_key TEXT DEFAULT '' NOT NULL, 
	hook_tries INTEGER DEFAULT '0' NOT NULL, 
	hook_at DOUBLE DEFAULT '0' NOT NULL, 
	hook_outcome TEXT DEFAULT '' NOT NULL, data_key TEXT DEFAULT '' NOT NULL, data_key_id TEXT DEFAULT '' NOT NULL, sent INTEGER, 
	CONSTRAINT pk_batch PRIMARY KEY (id)
);
INSERT INTO "batch" VALUES('resp_d4aae5918b4a731e62beb4ce2c4e1fcf','response','','text','finished',0,1,1,0,0,1,0,0,1,'gemini-3-flash-preview',0,'4L10fnmb6hpI3fi93cVOAgEqfAmS3WyzUnTlkWWo/VC33yTfgIDwj/YnEdBulFP8UFoxJi/gyQhRZw==','{"base_url":"http://127.0.0.1:47533","language":"en","request_id":"req_127d5b8ff31d561129d83597","awaited":false,"answers":1,"inline":false}',NULL,'',1795984309.0,1.79598430974998474118e+09,1.79598430974998474118e+09,1.7959843097909822464e+09,1.79598430982059621818e+09,0.0,'',0.0,'','','',0,0.0,'','1::gAAAAABrDIu1bXrF3XFP5NmJW_uLIe-cUCffLyw8qlI6gGuHW8ccKzWoXF2xuTEID__gIj7yqa9KVOXDEtNGT7ewE2tAxftHN2wwC0wwWubh2Kh-0PL6ktOTc316U1qtx7JPHh_U2YqV2VWLDc7mrAvJZQl1CEROLX_d9SYRJgWub33rVNt6uPmGoNmIDnhicYqNVaLBZQMd6TuVao-V_A6dEGuM2X4J4FfssvD6JNXuSaJvRM0uNYA=','ca7f6703',1);
INSERT INTO "batch" VALUES('batch_724ebfab','images','','image','finished',0,2,2,0,0,2,0,0,2,'gemini-2.5-flash-image',0,'stH4o/nb3YKpbUd0XAg2b2+D8yKpkvr6qT0ynB78aTCVRXxdgZrHrscv9xPrMPeSMlHdQQcvrTTYYOCogPuFIewfGfsoTIEzbCxruhpKyvPJivGTMwyui/31sQ==','{"base_url":"http://127.0.0.1:47533"}',NULL,'8d27fd2f104ad4617fc021d5a2eb62d2',1.7959843105524365902e+09,1.79598431057898855209e+09,1.79598431060799646375e+09,1.79598431102799034123e+09,1.79598431108830499649e+09,0.0,'',0.0,'','','',0,0.0,'','1::gAAAAABrDIu2z4XIZPNCSPStf2V4VHVCwWLMhAB4ps7_xSa2WZ3sfXbsxnftaTVCMsUwcRG7Zxbi7i3OOiycCj1PvyCPh28LkFPfDo4djBcm8-Sg0Ce1Ul2NfmWuh-szVENuvfa633N8KB1DGA7WHeuqqVqM0VndTamduWJohV9FVLKk0EfHEPFFaQsJp0vU9RQHAu-E66Ti8XVT0x__FUp41G5k5Vk7Ng==','ca7f6703',2);
CREATE TABLE client_key (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	hint TEXT NOT NULL, 
	models TEXT DEFAULT '' NOT NULL, 
	operations TEXT DEFAULT '' NOT NULL, 
	per_hour INTEGER, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE DEFAULT '0' NOT NULL, 
	revoked_at DOUBLE DEFAULT '0' NOT NULL, 
	used_at DOUBLE DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_client_key PRIMARY KEY (id)
);
CREATE TABLE conversation (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	tip TEXT NOT NULL, 
	length INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	identity TEXT NOT NULL, 
	offer TEXT NOT NULL, 
	metadata TEXT NOT NULL, 
	sentinel TEXT DEFAULT '' NOT NULL, 
	named BOOLEAN DEFAULT 0 NOT NULL, 
	transcript TEXT DEFAULT '' NOT NULL, 
	lease_owner TEXT DEFAULT '' NOT NULL, 
	lease_until DOUBLE DEFAULT '0' NOT NULL, 
	created_at DOUBLE NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	delete_at DOUBLE DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_conversation PRIMARY KEY (id)
);
INSERT INTO "conversation" VALUES('3978611ca145a9405c5c493023b24446','','a4070b24935aa51d14cc4ee138805dec5c4eb23f',2,'default','db0684f952ef','56fdd199312815e2','["c_0f95698cb7463eed","r_df166416d43a75ec","rc_c1e76eae5530cd52",null,null,null,null,null,null,"AwAAAAAAAAAQ1CbDit6fuUtqkQs6LCd1pAGIDSvpr9Une-KUMQ_swid4jjqWt7sYVjDC8bAFPgY1",1]','',0,'','',0.0,1.79598430913759374619e+09,1.79598430916891241074e+09,0.0);
INSERT INTO "conversation" VALUES('0050b7145aab86457a196c8834ba8309','','f8ef96f1692101de2a624888f8ba4f68fb50ad02',2,'default','db0684f952ef','56fdd199312815e2','["c_b7e2cabe3fea4382","r_205f95ea83fc9cc0","rc_6471fc11511a6541",null,null,null,null,null,null,"AwAAAAAAAAAQUyLydebzxjril7XMXsNw0xFVS44IIeZbtUAbbTUrlHED52LaFx_eG2UA5S-1Le5f",1]','',0,'','',0.0,1.79598430924588251108e+09,1.79598430931752777103e+09,0.0);
INSERT INTO "conversation" VALUES('a1ce41b29e5eacbda325368118327722','','a4070b24935aa51d14cc4ee138805dec5c4eb23f',2,'default','db0684f952ef','56fdd199312815e2','["c_148332780a488b39","r_3332c4576541d8f8","rc_55b623d9fcd447a8",null,null,null,null,null,null,"AwAAAAAAAAAQzQPWJpqCBcxLh24OybVdB7CdCHML6JrkpPRpTP7d3T6WwR6EEXe6_TaT5JMkMeDE",1]','',0,'','',0.0,1.79598430940794181825e+09,1.79598430941797709468e+09,0.0);
INSERT INTO "conversation" VALUES('88d5881cc7a5a1278c34ec7114a5c8a5','','a4070b24935aa51d14cc4ee138805dec5c4eb23f',2,'default','db0684f952ef','56fdd199312815e2','["c_aba304663b255917","r_734d22f062aac497","rc_5762be02fcb740b0",null,null,null,null,null,null,"AwAAAAAAAAAQtwODmdGDZQcxxCtY57emwtBgiZCeXsxvmTHOwAk2FC1whuWZLxpUOAlIHXYzwRxs",1]','',0,'','',0.0,1.79598430976367592808e+09,1.79598430978253674507e+09,0.0);
CREATE TABLE gemgate_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT gemgate_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "gemgate_version" VALUES('0015');
CREATE TABLE gemini_service_nodes (
	node_url TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	status TEXT NOT NULL, 
	weight DOUBLE DEFAULT '1' NOT NULL, 
	last_heartbeat DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, 
	dispatched_tasks BIGINT DEFAULT '0' NOT NULL, 
	current_tasks INTEGER DEFAULT '0' NOT NULL, 
	created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, 
	CONSTRAINT pk_gemini_service_nodes PRIMARY KEY (node_url)
);
CREATE TABLE node_detail (
	node_url TEXT NOT NULL, 
	proof TEXT DEFAULT '' NOT NULL, 
	own_weight DOUBLE DEFAULT '1' NOT NULL, 
	draining BOOLEAN DEFAULT 0 NOT NULL, 
	report TEXT DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_node_detail PRIMARY KEY (node_url), 
	CONSTRAINT fk_node_detail_node_url FOREIGN KEY(node_url) REFERENCES gemini_service_nodes (node_url) ON DELETE CASCADE
);
CREATE TABLE page_session (
	digest TEXT NOT NULL, 
	id TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE NOT NULL, 
	address TEXT DEFAULT '' NOT NULL, 
	agent TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_page_session PRIMARY KEY (digest)
);
CREATE TABLE picture (
	name TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	tenant TEXT NOT NULL, 
	prompt TEXT NOT NULL, 
	model TEXT NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	bytes BIGINT NOT NULL, 
	mime TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	source TEXT NOT NULL, 
	logo TEXT NOT NULL, 
	requested INTEGER, 
	resampled BOOLEAN DEFAULT 0 NOT NULL, 
	note TEXT DEFAULT '' NOT NULL, 
	origins TEXT DEFAULT '' NOT NULL, 
	batch TEXT DEFAULT '' NOT NULL, handle TEXT DEFAULT '' NOT NULL, painter TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_picture PRIMARY KEY (name)
);
INSERT INTO "picture" VALUES('202611/20261129/20261129_203150_a-boat_eccbe0.png',1.79598431045131492608e+09,'','a boat','gemini-2.5-flash-image',1024,1024,38201,'image/png','f114bce62dd8241e2918cb88f11673b9f30243e551cb265c5a10f53690df9fa2','full_size','removed',NULL,0,'','','','21fb98ba521670af7b2fc63c','Nano Banana 2');
INSERT INTO "picture" VALUES('202611/20261129/20261129_203150_one_7e587a.png',1.7959843105524365902e+09,'','one','gemini-2.5-flash-image',1024,1024,254954,'image/png','3166130ecb29ae5fe2f66a166d3e83521e89036e4beff8c1a6f3effe545daf31','full_size','removed',NULL,0,'','','batch_724ebfab','872ae43c189263f516fc0142','Nano Banana 2');
INSERT INTO "picture" VALUES('202611/20261129/20261129_203150_two_7e588a.png',1.7959843105524365902e+09,'','two','gemini-2.5-flash-image',1024,1024,103218,'image/png','009dd4b6d27b8c3dbd0c1a86a7cfc25ccbbc936c58f16d768ae6925f74f872fc','full_size','removed',NULL,0,'','','batch_724ebfab','6eeb98e66ff75b13d4168dbf','Nano Banana 2');
CREATE TABLE response_event (
	response TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	events TEXT NOT NULL, 
	CONSTRAINT pk_response_event PRIMARY KEY (response, number), 
	CONSTRAINT fk_response_event_response FOREIGN KEY(response) REFERENCES batch (id) ON DELETE CASCADE
);
INSERT INTO "response_event" VALUES('resp_d4aae5918b4a731e62beb4ce2c4e1fcf',0,'Wg93r5YPzLyL0NP1BkvcxgGlqwqdjOZeZkOAoJ2RFZwFLR+K7/p/h3mkCeXtSWaIgfDPtniN4tJ0XiyS48j68CyOrfT+2hMrliuW096BIDNX2IYsGR+pW0YxPy7TdAk/XXSNrFigmqXhOSjFyrIUHC64+4bt3hW7Kpf2v4xWQ/92G1Jl+0L3lg1jtFDkGES+ET0L8az4HHwJwKYtjPVNov4jU0jGX14NhQboJfqyho69w5TDL3VtVIzMdTWvd6zFYpZnkET8YmcpPuQMVly53vl8iswc');
INSERT INTO "response_event" VALUES('resp_d4aae5918b4a731e62beb4ce2c4e1fcf',1,'g3+lht1cGkEpLwga/tO8H/iEIKWEEeSJdq0esddehcp2bwltSiJ3l9XIhBMs908EXfqPf0xAjy8=');
INSERT INTO "response_event" VALUES('resp_d4aae5918b4a731e62beb4ce2c4e1fcf',2,'V1nNvJlIOnsRGWTksHE2IUpQ7CZbNLRQE/NKDrPObhxQZXMwvtagel0XLkMW7o1X9YTo2BUjc6fRmI6tjSBTS+ZRPZZ4r7/0QCaH2hb8UpUDko9hI6ASeDRE0P0nUfRJxeXppEoMXYfr3q5qVLf2ZC83aJGAYmqT/q09qPGsK6MrlOnfzlV9QVqUJQJ/7V9jDVmOaKdKSKwm0UBSGKe3mdx4uuFXdyvNypL3K8aMstsIl68Q31fZzBI=');
CREATE TABLE session_life (
	id INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	session TEXT NOT NULL, 
	began_at DOUBLE NOT NULL, 
	renewed_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	died BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_session_life PRIMARY KEY (id)
);
INSERT INTO "session_life" VALUES(1,'default','db0684f952ef',1.7959843087238264084e+09,1.7959843087238264084e+09,NULL,0);
CREATE TABLE stored_file (
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	name TEXT NOT NULL, 
	mime TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	sha256 TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_stored_file PRIMARY KEY (id)
);
INSERT INTO "stored_file" VALUES('file-8f48b182d60a4f4bb380183fb43988df','','notes.txt','text/plain',10,'050777a35dcd48838062824126e60a0780dc322c5b1f84c3a32636cc7466b1b6','user_data',1.79598431053680539131e+09,0.0);
CREATE TABLE stored_response (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	body TEXT NOT NULL, 
	transcript TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_stored_response PRIMARY KEY (id)
);
INSERT INTO "stored_response" VALUES('resp_b67757eb1a2f256f7daf14493351c2d5','','{"id":"resp_b67757eb1a2f256f7daf14493351c2d5","object":"response","created_at":1795984309,"status":"completed","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"metadata":{},"model":"gemini-3-flash-preview","output":[{"id":"msg_b67757eb1a2f256f7daf14493351c2d5_0","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"You said: hello","annotations":[],"logprobs":[]}]}],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"service_tier":"default","store":true,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":5,"estimated":true},"user":null,"served_model":"3 Flash"}','[{"role":"user","name":"","parts":[{"text":"hello"}]},{"role":"assistant","name":"","parts":[{"text":"You said: hello"}]}]',1795984309.0);
CREATE TABLE task (
	id TEXT NOT NULL, 
	batch TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	prompt TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	status TEXT NOT NULL, 
	attempt INTEGER DEFAULT '0' NOT NULL, 
	failures INTEGER DEFAULT '0' NOT NULL, 
	run_after DOUBLE DEFAULT '0' NOT NULL, 
	lease_owner TEXT DEFAULT '' NOT NULL, 
	lease_until DOUBLE DEFAULT '0' NOT NULL, 
	account TEXT DEFAULT '' NOT NULL, 
	identity TEXT DEFAULT '' NOT NULL, 
	cid TEXT DEFAULT '' NOT NULL, 
	picture TEXT DEFAULT '' NOT NULL, 
	part INTEGER DEFAULT '0' NOT NULL, 
	result TEXT DEFAULT '' NOT NULL, 
	code TEXT DEFAULT '' NOT NULL, 
	error TEXT DEFAULT '' NOT NULL, 
	error_zh TEXT DEFAULT '' NOT NULL, 
	retryable BOOLEAN DEFAULT 0 NOT NULL, 
	settled INTEGER DEFAULT '0' NOT NULL, 
	started_at DOUBLE DEFAULT '0' NOT NULL, 
	finished_at DOUBLE DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_task PRIMARY KEY (id), 
	CONSTRAINT fk_task_batch FOREIGN KEY(batch) REFERENCES batch (id) ON DELETE CASCADE
);
INSERT INTO "task" VALUES('resp_d4aae5918b4a731e62beb4ce2c4e1fcf_task_0','resp_d4aae5918b4a731e62beb4ce2c4e1fcf',0,'','iy2INB02bK+GFvut2/i8iHxRrIudn0cdTJN4EUfjsUaUa8poDhp3ZktQXZuOAobsbhDSCrZnUSOUHDRWK4GkJVkKzrwQ5AojIz3iPa3weinpoOjCgHxRH9mez4Qq2KUG9zXuep7aEnEUtP+c8a7+xnAo9xhRCufHCs/MjA8AVgmD8z1lOOyPBrvGTqfifQpo1tyVUDZep9FYTOyAwWocQTuqwa+SJrR4Jw6h7w/XrmF4z3s=','done',1,0,0.0,'',1.79598433974700736996e+09,'default','db0684f952ef','c_aba304663b255917','',0,'XckpCun94BmrIEgNBqCbOPPfoNdCbG+r/ssJnUkMzD6ght0HDYyzAcdTbZIf','','','',0,1,1.79598430974700737005e+09,1.79598430978901100162e+09);
INSERT INTO "task" VALUES('batch_724ebfab_task_0','batch_724ebfab',0,'Z0ntfFWK72z65KNgZSUSqc+6+vYWbkyljHH8pxGOVw==','','done',1,0,0.0,'',1.79598434057798266409e+09,'default','db0684f952ef','c_ec0c3d9c78d1c605','{"url": "https://lh3.googleusercontent.com/gg/AGsM4BaqGAoIC58_NGjrB_TEsCJYgCCQjwPvkVreifVG7gk", "image_id": "image_qhgKCAufPzRo6wf0xLAiWIAg", "cid": "c_ec0c3d9c78d1c605", "rid": "r_8365a4c281b23387", "rcid": "rc_064cb432b9eb59eb", "alt": "Generate an image.\n\none", "painter": "Nano Banana 2", "token": "$1aLSHJBOrmJhGXMO22ZVaw", "prompt": "Generate an image.\n\none", "announced": [1024, 1024, 268621], "found": false}',0,'j4KIDy69x0o//5I1UfJammrOuQ5Gh9nSgoBzAKq3s05XL7jJ83gfAy8RwWmib0R/kn80CkKsWoDZfkK9SnSEIk2uGanEVgSILnpxc5jEOJfzyYhLjT+EK+CFakzSW1fN6lY/HUVo3HwmV6lImQTqqylmwSqq3EVJqfJROjU4rg5nB/ozHcoYB2PE2dwy7r5lNXxzj9vQIBEz8SZ+IvSARzTf72AlCbEHWo6h/V7i6icSl0/zHfwIIaOUq4+ewFHwVLs1gUkv8o1EUhDojlZsNt9Ip01VWTZ/DPGVNDNVwr2xl+2zqbPIBHlsopZaOv+PtpJI7tKjWS9g7zld3UB8oXPv3RS8MUIdK0RlmqSmD7ZfyeMpnJvd5qId5r47TiEnYtOI+AAYNCwcgh76JiWvjEbZ5MaCTp6gGGRSt2RK8NGfKsm3x61p2Djxn2hmiVXwbf1OXZT8Ng9SpnYXDGppABpm0YDgwnajOcvnNOc=','','','',0,1,1.79598431057798266414e+09,1.79598431093501138692e+09);
INSERT INTO "task" VALUES('batch_724ebfab_task_1','batch_724ebfab',1,'ix4SSZ0/u6kK2jmRujxXGarpKmlyLfepyhTgPdv8BA==','','done',1,0,0.0,'',1.79598434060598492623e+09,'default','db0684f952ef','c_f8efd1d8e3c274e5','{"url": "https://lh3.googleusercontent.com/gg/AGsM4BZhRcPJsOQNFYD1w8BABjV8O0LDSOnUFg8eqj3wDQk", "image_id": "image_YUXDybDkDRWA9cPAQAY1fDtC", "cid": "c_f8efd1d8e3c274e5", "rid": "r_ab73b5248296829c", "rcid": "rc_1d8720563bbc3eb7", "alt": "Generate an image.\n\ntwo", "painter": "Nano Banana 2", "token": "$5r5GAWbS8Dv8GH3ZduIm5Q", "prompt": "Generate an image.\n\ntwo", "announced": [1024, 1024, 105743], "found": false}',0,'FQSuQcj1HTvIdR0p3ABZKNTqDiWKJLwCcKmuNRHIH5xTxWG0ZNbrz+g/tziik/ljsuI3lpOTaHf8aLf/0r50nh//KB9cGSobPUw76Mgic2NXC90aXG0f1t/5LfyXlGMAeLmGyNs3rrPWGBxlTlyLKNEaqXGt4RdCxuZmUdIFy7BlEiLcf+BhXTJdG3qGd1x5QlWCUd+KYgXQFhJHAtPalW+Stwn+16iLrGnuHE9TVrK0ficGhjqBB4SDf7QshG+Q3PyrH5rO5Y2MJgiQesI72uMlNLE20DL8mckBWwctWpMCiGXEVQKKcPyDV7EbsHYNU4rf56LkjCLJWIcfgfegM1f5AFcnRqKa7kUWsUfRiRrgBb0cSTNFEsA011fe5PgkqxZlcsznlmLCyhKAwqBP3011JIgIJMeGrOOixIADRtotKIzZGgxNSCEiMydcIgt93keep+A1AkolZ6AlXJ+PIXTCcIZBNuCRE/jm1iU=','','','',0,2,1.79598431060598492624e+09,1.79598431101901817325e+09);
CREATE UNIQUE INDEX ix_session_life_account_session ON session_life (account, session);
CREATE INDEX ix_audit_line_account_at ON audit_line (account, at);
CREATE INDEX ix_stored_file_owner_created_at ON stored_file (owner, created_at);
CREATE INDEX ix_picture_created_at ON picture (created_at);
CREATE INDEX ix_picture_tenant_created_at ON picture (tenant, created_at);
CREATE INDEX ix_picture_sha256 ON picture (sha256);
CREATE INDEX ix_conversation_tip ON conversation (tip);
CREATE INDEX ix_conversation_tenant_updated_at ON conversation (tenant, updated_at);
CREATE INDEX ix_conversation_delete_at ON conversation (delete_at);
CREATE INDEX ix_stored_response_created_at ON stored_response (created_at);
CREATE INDEX ix_batch_hook_at ON batch (hook_at);
CREATE INDEX ix_batch_tenant_created_at ON batch (tenant, created_at);
CREATE UNIQUE INDEX ix_batch_tenant_idempotency_key ON batch (tenant, idempotency_key);
CREATE INDEX ix_task_batch_status_seq ON task (batch, status, seq);
CREATE INDEX ix_task_batch_settled ON task (batch, settled);
CREATE INDEX ix_task_status_lease_until ON task (status, lease_until);
CREATE UNIQUE INDEX ix_client_key_name ON client_key (name);
CREATE UNIQUE INDEX ix_client_key_digest ON client_key (digest);
CREATE INDEX ix_picture_handle ON picture (handle);
CREATE INDEX ix_gemini_service_nodes_worker_id ON gemini_service_nodes (worker_id);
CREATE INDEX ix_task_batch_seq ON task (batch, seq);
CREATE INDEX ix_batch_turn ON batch (closed_at, state, need, priority DESC, claimed_at, created_at, id);
COMMIT;
PRAGMA user_version = 1000;
