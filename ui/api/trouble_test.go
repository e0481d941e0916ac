package api_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"coop/node/nodetest"
	"coop/ui/api"
)

// TestTrouble has somebody vote after the decision, of which they cannot know: both
// see it, with the record as it was signed, so that anybody can check the signature.
func TestTrouble(t *testing.T) {
	street := nodetest.NewStreet()
	ana, bo := villageOn(t, street)
	for _, s := range []*served{ana, bo} {
		if out := ask[api.Troubles](t, s, "/v1/trouble"); out.V != api.Version || len(out.Troubles) != 0 || out.Total != 0 {
			t.Errorf("before there is trouble: %+v", out)
		}
	}
	id := ana.make(t, "/v1/proposals", `{"title":"Bo keeps the books","effects":["office:Bo,treasurer"]}`)
	nodetest.AwaitSame(ana.House, bo.House)
	street.Part(bo.House)
	ana.make(t, "/v1/proposals/"+id+"/vote", `{"option":"no"}`)
	late := bo.make(t, "/v1/proposals/"+id+"/vote", `{"option":"no","reason":"Oh"}`)
	street.Meet(ana.House, bo.House)
	nodetest.AwaitSame(ana.House, bo.House)
	ana.Garbage(ana.See().Peers[0].Session, errors.New("noise"))
	out := ask[api.Troubles](t, ana, "/v1/trouble")
	if len(out.Peers) != 1 || !strings.Contains(out.Peers[0].Text, "Bo's laptop") || !strings.Contains(out.Peers[0].Text, "noise") {
		t.Errorf("of a peer that sent garbage is told %+v", out.Peers)
	}
	for _, s := range []*served{ana, bo} {
		out := ask[api.Troubles](t, s, "/v1/trouble")
		if len(out.Troubles) != 1 || out.Total != 1 || ask[api.Status](t, s, "/v1/status").Trouble != 1 {
			t.Fatalf("got %+v", out)
		}
		got := ask[api.Trouble](t, s, "/v1/trouble/"+late[:8])
		if got.Kind != "late" || got.Member != "Bo" || got.Device != "laptop" || got.What == "" || got.Means == "" || !got.Minuted || len(got.Evidence) != 1 {
			t.Fatalf("got %+v", got)
		}
		e := got.Evidence[0]
		if e.ID.String() != late || e.Batch == 0 || e.Problem != "it came after the decision" || e.Says != `votes no on "Bo keeps the books" ("Oh")` || !e.Time.Equal(got.Time) {
			t.Errorf("got %+v", e)
		}
		signed := append([]byte("coop/1 record\x00"), e.Header...)
		if !ed25519.Verify(e.Key[:], signed, e.Signature) {
			t.Error("the signature is none")
		}
		if sum := sha256.Sum256(e.Body); !bytes.HasSuffix(e.Header, sum[:]) {
			t.Error("the header does not name the body")
		}
	}
}

// TestManyTroubles: a hundred records without effect are a line for each kind and person
// (a forked computer is one for itself), and are all counted; each line can be shown, by the id of any that it names.
func TestManyTroubles(t *testing.T) {
	h := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	h.Anything(1, 100)
	ana := serve(t, h)
	s := ana.See().State
	want := s.Acts.Problems.Len() + s.Contents.Problems.Len() // re-seatings are told of for themselves
	out := ask[api.Troubles](t, ana, "/v1/trouble")
	seen, records, more := map[string]bool{}, 0, 0
	for _, got := range out.Troubles {
		if line := got.Kind + " " + got.Member; seen[line] && got.Kind != "fork" {
			t.Errorf("%s is there twice", line)
		} else {
			seen[line] = true
		}
		records += 1 + got.More
		more += got.More
		shown := ask[api.Trouble](t, ana, "/v1/trouble/"+got.ID.String())
		if len(shown.Others) != min(got.More, 10) {
			t.Errorf("%s: %d others of %d are shown", got.Kind, len(shown.Others), got.More)
		}
		for _, other := range shown.Others {
			if again := ask[api.Trouble](t, ana, "/v1/trouble/"+other.ID.String()); again.ID != got.ID || other.Problem == "" {
				t.Errorf("%s, which has %q, is shown with %s", other.ID, other.Problem, again.ID)
			}
		}
	}
	if records != want || more < 10 || len(out.Troubles) != out.Total {
		t.Errorf("%d lines, of %d, tell of %d records, %d have no effect", len(out.Troubles), out.Total, records, want)
	}
	records = 0
	seen = map[string]bool{}
	for _, p := range ask[api.Status](t, ana, "/v1/status").Problems {
		if line := p.Kind + " " + p.Author; seen[line] {
			t.Errorf("status: %s is there twice", line)
		} else {
			seen[line] = true
		}
		records += 1 + p.More
	}
	if all := s.Problems(); records != all.Len() {
		t.Errorf("status tells of %d records, %d have no effect", records, all.Len())
	}
}
