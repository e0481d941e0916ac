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
