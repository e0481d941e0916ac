package node

import (
	"context"
	"errors"
	"math"
	"time"

	"coop/crdt/history"
	"coop/crdt/record"
	"coop/node/keys"
)

// Unsure says why this device does not sign although its key is there.
type Unsure struct {
	why  string
	Hint string // what can be done: to trust the home at once is right only where nobody else has more that it signed

	until trust
}

func (e *Unsure) Error() string { return e.why }

// trust is what lets a device sign again, beside its person who insists.
type trust int

const (
	untilBrought trust = iota // a peer has told all it knows, and that has what the marker names and nothing beyond
	untilAsked                // the same, or no peer can be reached
	untilSaid                 // nothing else
)

const (
	// trustIt is the command by which a person says that a home is whole.
	trustIt = "coop device trust --yes"

	// askMax is how long a node that merely was not asked yet looks for somebody to ask.
	askMax = 15 * time.Second
)

const (
	leaveUp    = "leave `coop up` running where another member's computer can be reached"
	onlyCopy   = "no other copy of this home will ever be used"
	orMissing  = "; if what is missing is on no other computer: " + trustIt
	gone       = "the records of this home are not all there. Nothing is signed here until another computer of the co-op has brought them back"
	putBack    = "this home is older than what this computer last signed: it was put back from a backup. Nothing is signed here until another computer of the co-op has brought what is missing"
	moved      = "this home was copied, or put back, or is on another computer, or its file marker is damaged. Nothing is signed here until you say that this is the only one: if two copies are used, the device is lost to both"
	unasked    = "this computer was started anew since this device last signed. Nothing is signed here until another computer was asked what it signed: had the disk been put back, nothing here would tell"
	othersSign = "another copy of this home has signed since: use that one, or join from an empty home as another computer and revoke this one"
)

// checkMarker compares what this device last signed with what the store holds.
// If there may be more, nothing is signed until peers have told all they know:
// to sign again in a slot that was used would look like a lie.
func (n *Node) checkMarker() error {
	home := n.cfg.Home
	if n.fork != nil || n.cfg.Store.Fixed() != nil {
		return nil // nothing is ever signed
	}
	kept := home.Secrets().Kept
	if kept.Copied {
		n.othersSigned()
		return nil
	}
	verdict, last := home.CheckMarker(func(id record.ID) bool {
		_, held := n.coop.History().Find(id)
		return held
	})
	n.lastSeq = max(last, n.ownSeq())
	switch {
	case verdict == keys.MarkerMoved:
		n.distrust(untilSaid, moved, "if "+onlyCopy+": "+trustIt+"; before that, "+leaveUp+": it tells whether a copy has signed")
	case kept.Joined && !n.reaches(kept.Anchors):
		n.distrust(untilBrought, gone, leaveUp)
	case verdict == keys.MarkerBehind:
		n.distrust(untilBrought, putBack, leaveUp+orMissing)
	case verdict == keys.MarkerUnasked:
		n.distrust(untilAsked, unasked, "run `coop up`: it asks, and goes on by itself after 15 seconds if nobody can be reached. "+
			"If neither the disk nor this virtual machine was put back: "+trustIt)
	default:
		// A power cut may have taken the last marks and left what they were of.
		if err := n.markTip(); err != nil {
			n.cfg.Log.Warn("marker", "error", err)
		}
	}
	return nil
}

// ownSeq returns the seq of the last record of this device that is held.
func (n *Node) ownSeq() (seq uint64) {
	for _, tip := range n.ownTips() {
		seq = max(seq, n.coop.History().At(tip).Seq)
	}
	return seq
}

func (n *Node) ownTips() []history.Ref {
	return n.coop.History().TipsOf(n.cfg.Home.Device().Public())
}

// TrustHome lets this device sign although its marker speaks against it: the
// person knows that there is no other copy of this home, and that this device
// signed nothing that is not in it.
func (n *Node) TrustHome(ctx context.Context) error {
	return n.do(ctx, func() error {
		if err := n.forked(); err != nil {
			return err
		}
		if n.unsigned == nil {
			return nil
		}
		if !n.replica.Joined() || n.coop.History().Len() == 0 {
			return &Refused{"there is nothing to trust yet: the records of this home are not back. " + leaveUp}
		}
		// The marker may be ahead of what is here; it counts from here on.
		if err := errors.Join(n.cfg.Home.Unmark(), n.keepCopied(false)); err != nil {
			return err
		}
		return n.signAgain()
	})
}

// signAgain lets a device sign whose own records are all here.
func (n *Node) signAgain() error {
	if n.unsigned == nil {
		return nil
	}
	if err := n.markTip(); err != nil {
		return err
	}
	n.unsigned = nil
	n.replica.Unlock(n.cfg.Home.Device())
	n.say("this computer signs again")
	return nil
}

// markTip notes the last of this device's records that is held.
func (n *Node) markTip() error {
	tips := n.ownTips()
	switch len(tips) {
	case 0:
		return n.cfg.Home.Mark(0, record.ID{})
	case 1:
		at := n.coop.History().At(tips[0])
		return n.cfg.Home.Mark(at.Seq, at.ID)
	}
	return nil
}

// mark notes the own records that are now durable.
func (n *Node) mark(stored []*record.Record) {
	own := n.cfg.Home.Device().Public()
	for _, r := range stored {
		if r.Device != own || n.unsigned != nil {
			continue
		}
		if err := n.cfg.Home.Mark(r.Seq, r.ID); err != nil {
			n.cfg.Log.Warn("marker", "error", err)
		}
	}
}

// pulled has a device that waited for it sign again once a peer has told all it
// knows, if that brought what was missing and nothing beyond. If it did, another copy
// of this home has signed since, and may do so again.
func (n *Node) pulled() {
	seq := n.ownSeq()
	switch {
	case n.unsigned == nil || seq < n.lastSeq || !n.replica.Joined():
		return
	case seq > n.lastSeq:
		n.copied()
	case n.unsigned.until == untilSaid:
		if hint := "another computer was asked and knows of nothing that is not here. If " + onlyCopy + ": " + trustIt; n.unsigned.Hint != hint {
			n.unsigned = &Unsure{n.unsigned.why, hint, untilSaid}
		}
	default:
		n.trusted(n.signAgain())
	}
}

// looked has a device sign that waited only until somebody was asked, when nobody can
// be reached: a member who is alone must be able to work. Disks that are put back are
// rare, and most people meet somebody first.
func (n *Node) looked() {
	if left, waits := n.looksFor(); waits && left <= 0 {
		n.trusted(n.signAgain())
	}
}

// looksFor returns how much longer somebody is looked for to ask; false if nobody is
// any more, or somebody was found.
func (n *Node) looksFor() (left time.Duration, waits bool) {
	if n.unsigned == nil || n.unsigned.until != untilAsked || n.network == nil {
		return 0, false
	}
	for _, p := range n.replica.Peers() {
		if p.Live {
			return 0, false
		}
	}
	return n.attached.Add(askMax).Sub(n.cfg.Now()), true
}

func (n *Node) trusted(err error) {
	if err != nil {
		n.cfg.Log.Warn("marker", "error", err)
	}
}

// copied stops all signing, for good: a record of this device came that it did not
// sign. Its person may insist.
func (n *Node) copied() {
	n.othersSigned()
	n.trusted(n.keepCopied(true))
}

func (n *Node) othersSigned() {
	n.lastSeq = math.MaxUint64
	n.distrust(untilSaid, othersSign, "if that was this home before it was put back, and "+onlyCopy+": "+trustIt)
}

func (n *Node) keepCopied(copied bool) error {
	if n.cfg.Home.Secrets().Kept.Copied == copied {
		return nil
	}
	return n.cfg.Home.Keep(func(k *keys.Kept) { k.Copied = copied })
}

// distrust has this device sign nothing, and says why and what can be done.
func (n *Node) distrust(until trust, why, hint string) {
	n.unsigned = &Unsure{why, hint, until}
	n.say(why)
	n.replica.Unlock(nil)
}
