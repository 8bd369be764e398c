package clustercockpit

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	receivers := `{"web":{"type":"http","address":"127.0.0.1","port":"8080","path":"write","username":"u","password":"p"},
		"bus":{"type":"nats","address":"nats.example","subject":"*.events.>","user":"u","password":"p"},
		"js":{"type":"nats","address":"tls://nats.example","port":4333,"stream":"EVENTS","nkey_file":"a.creds",
			"process_messages":{"add_tags_if":[{"if":"true","key":"cluster","value":"c1"}]}}}`
	storage := `{"retention_time":"49h","flush_time":"1s","batch_size":20,"store_logs":false,"backend":{"type":"sqlite","database_path":"x.db"}}`
	api := `{"address":"0.0.0.0","port":"8098","idle_timeout":"120s","jwt_public_key":"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}`
	put("receivers.json", receivers)
	put("storage.json", storage)
	put("api.json", api)
	want, err := parseConfig([]byte(`{"main":{},"receivers":` + receivers + `,"storage":` + storage + `,"api":` + api + `,"other":1}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, singular := range []string{"receivers-file", "receiver-file"} {
		put("config.json", `{"main":{},"`+singular+`":"./receivers.json","storage-file":"./storage.json","api-file":"./api.json"}`)
		if got, err := Load("config.json"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", singular, got, err)
		}
	}
	if want.RetentionDays != 3 || !want.IgnoreLogs || want.API.Address != "0.0.0.0:8098" || len(want.API.JWTPublicKey) != 32 {
		t.Errorf("%+v", want)
	}
	if h := want.HTTP[0]; h.Address != "127.0.0.1:8080" || h.Path != "/write" || h.IdleTimeout != 2*time.Minute || !h.KeepAlives || h.Username != "u" {
		t.Errorf("%+v", h)
	}
	if bus, js := want.NATS[0], want.NATS[1]; bus.URL != "nats://nats.example:4222" || bus.Subject != "*.events.>" ||
		js.URL != "tls://nats.example:4333" || js.Stream != "EVENTS" || js.Consumer != "firn-js" || js.CredentialsFile != "a.creds" || js.tags[0] != (tag{"cluster", "c1"}) {
		t.Errorf("%+v", want.NATS)
	}
	if c, err := parseConfig([]byte(`{"receivers":{},"storage":{"backend":{}},"api":{}}`)); err != nil || c.RetentionDays != 1 || c.API.Address != "localhost:8088" || c.API.JWTPublicKey != nil {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := Load("none.json"); err == nil {
		t.Error("a file that is not there is taken")
	}
}

func TestBadConfigurationSaysWhat(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := parseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	f(`[]`, "no JSON object")
	f(`{"receivers":{},"receiver-file":"x"}`, "given twice")
	f(`{"receivers-file":"none.json"}`, "none.json")
	f(`{"receivers":{"a":{"type":"http","pasword":"x"}}}`, `"a": json: unknown field "pasword"`)
	f(`{"receivers":{"a":{"type":"http","username":"x"}}}`, "come together")
	f(`{"receivers":{"a":{"type":"http","path":"/a/../b"}}}`, "plain path")
	f(`{"receivers":{"a":{"type":"http"},"b":{"type":"http"}}}`, `"a" and "b" are both at :8080/`)
	f(`{"receivers":{"a":{"type":"http","port":"http"}}}`, "is no port")
	f(`{"receivers":{"a":{"type":"nats"}}}`, "needs a subject")
	f(`{"receivers":{"a":{"type":"nats","subject":"x","consumer":"c"}}}`, "needs a stream")
	f(`{"receivers":{"a":{"type":"nats","subject":"x","address":"nats://u:p@nats.example"}}}`, "do not stand in the address")
	f(`{"receivers":{"a":{"type":"eecpt"}}}`, "metrics")
	f(`{"receivers":{"a":{"type":"mqtt"}}}`, "unknown receiver type")
	f(`{"receivers":{"a":{"type":"nats","subject":"x","process_messages":{"drop_messages":["a"]}}}}`, "drop_messages is not to be had")
	f(`{"receivers":{"a":{"type":"nats","subject":"x","process_messages":{"add_tags_if":[{"if":"name == 'x'","key":"a","value":"b"}]}}}}`, "other conditions")
	f(`{"storage":{"retention_time":"two days"}}`, "is no duration")
	f(`{"storage":{"retention_time":"0s"}}`, "is no duration")
	f(`{"api":{"jwt_public_key":"AAAA"}}`, "32 bytes")
}

func FuzzConfig(f *testing.F) {
	f.Add(`{"receivers":{"a":{"type":"nats","subject":"x"}},"storage":{"retention_time":"30d"},"api":{"port":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file") {
			return
		}
		if c, err := parseConfig([]byte(text)); err == nil && c.RetentionDays < 0 {
			t.Fatal(c)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add(`{"cluster":"c","from":1,"to":2,"queries":[{"event":"a","host":"h","type":"t","type-ids":["0"],"tags":{"a.b":"c"},"contains":"x"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		req, err := parseQuery([]byte(text))
		if err != nil {
			return
		}
		for i := range req.Queries {
			if _, err := req.Queries[i].conditions("0"); err != nil {
				t.Fatal(err)
			}
		}
	})
}
