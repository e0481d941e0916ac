package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
)

// TestMinutedMeanwhile: between the look at the co-op and the question what an act
// waits for it may come into the minutes, or the node stop. Nothing that is said
// then breaks off.
func TestMinutedMeanwhile(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana", "hour")
	code, err := ana.Invite(t.Context(), 1, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	bo := nodetest.Join(t, street, code.Code, "Bo")
	street.Meet(ana, bo)
	bo.Await("joined", func(v node.View) bool { return v.Joined && v.Me.ID != record.ID{} })
	nodetest.AwaitSame(ana, bo)
	street.Part(bo)
	id, err := bo.Request(t.Context(), node.Payment{Who: "Ana", Amount: "1"})
	if err != nil {
		t.Fatal(err)
	}
	v := bo.See()
	before := shown{v, t.Context(), bo.Node, node.NewLabels(v.State)}
	if m := before.made(id); m.Minuted || m.Waits == "" {
		t.Fatalf("what waits is shown as %+v", m)
	}
	street.Meet(ana, bo)
	bo.Await("in the minutes", func(v node.View) bool { return len(v.State.Pending) == 0 })
	if m := before.made(id); !m.Minuted || m.Waits != "" {
		t.Errorf("what came into the minutes meanwhile is shown as %+v", m)
	}

	bo.Close()
	if m := before.made(id); m.Minuted || m.Waits == "" {
		t.Errorf("what waits while the node stops is shown as %+v", m)
	}
}

// TestAnswerNotEncoded: an answer that JSON cannot hold is an error that the reader
// sees, and no empty success.
func TestAnswerNotEncoded(t *testing.T) {
	w := httptest.NewRecorder()
	answer(w, map[string]any{"time": time.UnixMilli(record.MaxTime + 1).UTC()}, nil)
	var got struct{ Error *Error }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
	if w.Code != http.StatusInternalServerError || got.Error == nil || got.Error.Code != CodeFailed {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}
