package node_test

import (
	"os"
	"path/filepath"
	"testing"

	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
)

// TestPassedOn: who is connected to one other only comes to know where all are, also
// after a start at which nobody is there and with a file that was damaged; and forgets
// it of who has left.
func TestPassedOn(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana", "hour")
	var others []*nodetest.House
	for _, who := range []string{"Bo", "Chi", "Dora"} {
		h := nodetest.Join(t, street, must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)).Code, who)
		street.Meet(ana, h) // and nobody else, ever
		h.Await("joined", joined)
		others = append(others, h)
	}
	bo, chi, dora := others[0], others[1], others[2]
	knows := func(h, who *nodetest.House, want string) {
		t.Helper()
		device := who.Home.Device().Public()
		h.Await("where "+who.Name+" is: "+want, func(node.View) bool {
			told := h.Told()[device]
			return want == "" && len(told) == 0 || len(told) == 1 && told[0] == want
		})
	}
	for _, h := range others {
		for _, o := range others {
			if h != o {
				knows(h, o, "/street/"+o.Name)
			}
		}
	}
	if got, own := bo.Told(), bo.Home.Device().Public(); len(got) != 3 || got[own] != nil {
		t.Errorf("Bo's network is told of %v, want all others", got)
	}
	street.Part(bo)
	bo.Reopen()
	knows(bo, dora, "/street/Dora")

	// Who does not want to be passed on is forgotten, and hears of the others.
	dora.Unlisted = true
	dora.Reopen()
	street.Meet(ana, dora)
	knows(chi, dora, "")
	knows(dora, chi, "/street/Chi")

	must[record.ID](t)(chi.Leave(t.Context(), "Willow Street"))
	knows(dora, chi, "")

	bo.Close()
	file := filepath.Join(filepath.Dir(bo.Home.StoreDir()), "addresses")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	bo.Reopen()
	street.Meet(ana, bo)
	knows(bo, ana, "/street/Ana")
}
