-- What the code of commit 9691a41 left in SQLite after a chat, a response, an image, an upload, a batch and a key, with the
-- simulator as Google; `bob` was given cookies that never signed in. Sealed under the key of tests/support/serving.py.
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
	proven BOOLEAN DEFAULT 0 NOT NULL, 
	previous TEXT, 
	previous_key TEXT, 
	generation INTEGER DEFAULT '0' NOT NULL, 
	taken TEXT DEFAULT ('') NOT NULL, 
	identity TEXT DEFAULT ('') NOT NULL, 
	state TEXT DEFAULT 'starting' NOT NULL, 
	error_en TEXT DEFAULT ('') NOT NULL, 
	error_zh TEXT DEFAULT ('') NOT NULL, 
	owner TEXT DEFAULT ('') NOT NULL, 
	lease_until DOUBLE DEFAULT '0' NOT NULL, 
	changed_at DOUBLE DEFAULT '0' NOT NULL, 
	fallback BOOLEAN DEFAULT 0 NOT NULL, wall_plain INTEGER, wall_with_files INTEGER, wall_resolution INTEGER, wall_at DOUBLE, wall_tier TEXT, number INTEGER DEFAULT '0' NOT NULL, language TEXT DEFAULT '' NOT NULL, prompt_max_bytes INTEGER, prompt_with_files_max_bytes INTEGER, 
	CONSTRAINT pk_account PRIMARY KEY (name)
);
INSERT INTO "account" VALUES('default','web','environment','env',NULL,NULL,NULL,1.0,0,'1::gAAAAABrC5NBF0sxLAXJ-Kaku9WtwYiq0FXNCcCBwZoTr2i4vM4M9HWFKGOCDBIFCCvbtYd91KoUNgF48oDKq16DqrOXIp4IS3K3NFoGsIyBAp34gDK5A0_eR0JE8H0WVr4xqxmmWRgeaczg8tKY7knK5up5vdUjVDhqqIbDWk3vI_VMmQBvi4gRoptN_7mkuV3WPn3HjkB1wlcenb-CelfPbKO_n1ZlwtHCMqFRQceAwZaBYIVJafMwWtBY8Y3o8wB-UKEGhYqi0rDJN9X8O8YkVtWGUi7rjaNrgEKQCQblYMxYPdQ4wb-Uz_odnbQlFfAaOf0JYzXsGqLtocU8GyXy-kk8InfmcPWxayvTr_rvb8ttLRS9jH0=','ca7f6703',1,NULL,NULL,1,'9c3be60766428cb6','b1eb80ada5b3','ready','','','',0.0,1.79592070566491460799e+09,0,NULL,NULL,NULL,NULL,NULL,0,'',NULL,NULL);
INSERT INTO "account" VALUES('bob','web','admin','','1::gAAAAABrC5NBJFj4EFzT6RpC6LKGhx7xIF3xjtP3tcvEJQCU2HDG4DcY1aRs1kBEbndauLvaQ690hnrgzHthCao0vpjl24XXHHELW6RXA_lPA8xZor9Wz3MgXdsXixdDcZ73s2ZjGGdgS5Smg6ZFiTwQRxv67Lf6oQ==','ca7f6703',3,2.0,1,'1::gAAAAABrC5NByXyMMeQ2jX7jvNS_tEgOCgqXuvNYL4_AiaFeQ2M-4fMQ0kfrc41Drwbohis96bgBrv--Hx200Pkr2iHKSodIaIUuFajpBzX6jJvwBi9MCW0eak_MHHxOWRPZpXAbpJL7zZPwFCXperYjtm4h__8fHWxYpx8a0nZg-irVOvb1QFEowSvZJ_AsTcWTRb5PfqzQ','ca7f6703',0,'1::gAAAAABrC5NB-HfbA3Padoh0jv3exFsG5scB0_PVsfsYhwxonD3bmK5Xriim2WvQc_THZd60rjYE5hSNq7xg2XuXXIVyfiaU8AMwFW70JaWBSrZea9hayRQrwUX6I5zr-ihmcmSCHvBWaHnd_um_BUIeidqaLUNiMAY5Kq4COqnh8wkaaEEKM4DpW4-2ysULYb-kp6bsgaZb','ca7f6703',2,'','','starting','','','',0.0,1795000100.0,0,NULL,NULL,NULL,NULL,NULL,0,'',NULL,NULL);
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
INSERT INTO "audit_line" VALUES(1,1.79592070909638619425e+09,'admin','key made','','laptop');
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
	hook_outcome TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_batch PRIMARY KEY (id)
);
INSERT INTO "batch" VALUES('batch_eac1ce68','images','','image','finished',0,2,2,0,0,2,0,0,2,'gemini-2.5-flash-image',0,'{"model":"gemini-2.5-flash-image","options":{},"references":[]}','{"base_url":"http://127.0.0.1:45389"}',NULL,'8d27fd2f104ad4617fc021d5a2eb62d2',1.79592070875375151633e+09,1.79592070878101873403e+09,1.79592070879598569863e+09,1.79592070900700831416e+09,1.7959207090205538273e+09,0.0,'',1.79592160901698613163e+09,'','','',0,0.0,'');
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
INSERT INTO "client_key" VALUES('key_41b668c8e818','laptop','2f5a2f657c87ca39cfdcedbcbfa6bbc64e8a05053a04a4d8c88932af9a0a7334','0jM8','','',NULL,1.79592070908616304402e+09,0.0,0.0,0.0);
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
INSERT INTO "conversation" VALUES('3caaca781bb64ad9a9a6656317b99ed0','','ca72914ddbc48555c3834be26669921308568b89',2,'default','b1eb80ada5b3','56fdd199312815e2','["c_3e848f0d693499c5","r_202eb755acaab4da","rc_2bf3d3d8e8649a6d",null,null,null,null,null,null,"AwAAAAAAAAAQY838lGIQ8qeetnF80O0pyR6ln8641dLRb1p3Zk92hggDVw-sie47gICFk2oW3oqU",1]','',0,'','',0.0,1.79592070638768839833e+09,1.79592070651130914686e+09,0.0);
INSERT INTO "conversation" VALUES('3cbfe7609c934b13b210dcee05b1e516','','8e9da452ed7d41c98a449ff619bdbe0584a4201c',2,'default','b1eb80ada5b3','56fdd199312815e2','["c_032016f3d628c190","r_446669149dcb459a","rc_1a23975bb51ae14d",null,null,null,null,null,null,"AwAAAAAAAAAQgsMD-AC1IFvXVRzHzEQnhWnXUbqh4PCwYNk9Ja1J9YLQEaGT2b7VJ9Qg1UuKYx1V",1]','',0,'','',0.0,1.79592070651791238782e+09,1.79592070652159881594e+09,0.0);
CREATE TABLE gemgate_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT gemgate_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "gemgate_version" VALUES('0010');
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
INSERT INTO "picture" VALUES('202611/20261129/20261129_025148_a-boat_835afd.png',1.79592070856503725059e+09,'','a boat','gemini-2.5-flash-image',1024,1024,38503,'image/png','ef21de77e8e4a23a2576e96391f3509593f46a789733b6cd9c9d65ee4acd2bac','full_size','removed',NULL,0,'','','','26898a6e175c6a364e327903','Nano Banana 2');
INSERT INTO "picture" VALUES('202611/20261129/20261129_025148_one_b2fcca.png',1.79592070875375151633e+09,'','one','gemini-2.5-flash-image',1024,1024,255107,'image/png','05db9d65046bde3ee212d160afa580793833fd12d05697019042d70710d70865','full_size','removed',NULL,0,'','','batch_eac1ce68','c0e89a711a043ff99701a976','Nano Banana 2');
INSERT INTO "picture" VALUES('202611/20261129/20261129_025148_two_b2fcda.png',1.79592070875375151633e+09,'','two','gemini-2.5-flash-image',1024,1024,105442,'image/png','d2c3e8ad5d3aa22aa390887ecb3ccd35b1367676072cf981a40d800eba11bf68','full_size','removed',NULL,0,'','','batch_eac1ce68','f44502ff34ffc055dcb3d6d9','Nano Banana 2');
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
INSERT INTO "session_life" VALUES(1,'default','b1eb80ada5b3',1.79592070559129166605e+09,1.79592070559129166605e+09,NULL,0);
INSERT INTO "session_life" VALUES(2,'bob','cb0148845861',1795000000.0,1795000000.0,NULL,0);
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
INSERT INTO "stored_file" VALUES('file-2eff3481b6074a76ace54c815994103b','','notes.txt','text/plain',10,'050777a35dcd48838062824126e60a0780dc322c5b1f84c3a32636cc7466b1b6','user_data',1.79592070870386314395e+09,0.0);
CREATE TABLE stored_response (
	id TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	body TEXT NOT NULL, 
	transcript TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_stored_response PRIMARY KEY (id)
);
INSERT INTO "stored_response" VALUES('resp_803b77c6bf75432a9a9e98adecc4c394','','{"id":"resp_803b77c6bf75432a9a9e98adecc4c394","object":"response","created_at":1795920706,"status":"completed","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"metadata":{},"model":"gemini-3-flash-preview","output":[{"id":"msg_803b77c6bf75432a9a9e98adecc4c394_0","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"You said: Remember the word marble.","annotations":[],"logprobs":[]}]}],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"service_tier":"default","store":true,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{"input_tokens":6,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":15,"estimated":true},"user":null,"served_model":"3 Flash"}','[{"role":"user","name":"","parts":[{"text":"Remember the word marble."}]},{"role":"assistant","name":"","parts":[{"text":"You said: Remember the word marble."}]}]',1795920706.0);
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
INSERT INTO "task" VALUES('batch_eac1ce68_task_0','batch_eac1ce68',0,'one','','done',1,0,0.0,'',1.79592073877900719643e+09,'default','b1eb80ada5b3','c_853037447bb6b67d','{"url": "https://lh3.googleusercontent.com/gg/AGsL56TOfdBVtlrvmOGaY9_7loXRkvlX0eWZHpyJfXjR7Hw", "image_id": "image_zn3QVbZa75jhmmPf-5aF0ZL5", "cid": "c_853037447bb6b67d", "rid": "r_d654f8d411aba8d9", "rcid": "rc_daddf569bc0a8080", "alt": "Generate an image.\n\none", "painter": "Nano Banana 2", "token": "$E_wWVWC51TRC8PRUaV8yXA", "prompt": "Generate an image.\n\none", "announced": [1024, 1024, 1048576]}',0,'{"width":1024,"height":1024,"nbytes":255107,"mime":"image/png","sha256":"05db9d65046bde3ee212d160afa580793833fd12d05697019042d70710d70865","source":"full_size","logo":"removed","model":"gemini-2.5-flash-image","name":"202611/20261129/20261129_025148_one_b2fcca.png","requested":null,"resampled":false,"note":"","painter":"Nano Banana 2"}','','','',0,1,1.79592070877900719639e+09,1.79592070899200153353e+09);
INSERT INTO "task" VALUES('batch_eac1ce68_task_1','batch_eac1ce68',1,'two','','done',1,0,0.0,'',1795920738.79502,'default','b1eb80ada5b3','c_25c475916e5b11d8','{"url": "https://lh3.googleusercontent.com/gg/AGsL56Ss4nOJOnOaNMy-ZOZ46J3I6ET9WuMjbAiEI1j5zzg", "image_id": "image_rOJziTpzmjTMvmTmeOidyOhE", "cid": "c_25c475916e5b11d8", "rid": "r_6f264df97e796df5", "rcid": "rc_76a0694938143589", "alt": "Generate an image.\n\ntwo", "painter": "Nano Banana 2", "token": "$JnbyA2H-HK5yjMC5fOI3yA", "prompt": "Generate an image.\n\ntwo", "announced": [1024, 1024, 1048576]}',0,'{"width":1024,"height":1024,"nbytes":105442,"mime":"image/png","sha256":"d2c3e8ad5d3aa22aa390887ecb3ccd35b1367676072cf981a40d800eba11bf68","source":"full_size","logo":"removed","model":"gemini-2.5-flash-image","name":"202611/20261129/20261129_025148_two_b2fcda.png","requested":null,"resampled":false,"note":"","painter":"Nano Banana 2"}','','','',0,2,1795920708.79502,1.79592070900600242616e+09);
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
CREATE INDEX ix_batch_closed_at ON batch (closed_at);
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
COMMIT;
