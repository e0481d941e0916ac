package p2p

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestShut: the pause before a closed door grows, up to a limit, until a peer has
// let this node in.
func TestShut(t *testing.T) {
	const bo = peer.ID("Bo")
	n := &Net{closed: map[peer.ID]door{}}
	for pause := pauseFirst; pause < 4*pauseMax; pause *= 2 {
		n.shut(bo)
		if got, want := n.closed[bo].pause, min(pause, pauseMax); got != want || !n.resting(bo) {
			t.Errorf("the pause is %v, want %v; resting: %v", got, want, n.resting(bo))
		}
	}
	n.live(&session{peer: bo})
	if n.resting(bo) {
		t.Error("who let this node in is left alone")
	}
	n.shut(bo)
	if got := n.closed[bo].pause; got != pauseFirst {
		t.Errorf("after a welcome the pause is %v, want %v", got, pauseFirst)
	}
}
