package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"coop/crdt/record"
)

// Limits of the addresses that are passed on.
const (
	MaxLists   = 64  // of one message
	MaxAddrs   = 8   // of one node
	MaxAddrLen = 128 // bytes of one, without the peer's id

	// maxListLen is what the fields of an encoded list come to, rounded up.
	maxListLen = MaxAddrs*(MaxAddrLen+2) + 384
)

// AddrTerms is where a node can be reached, as it says itself. Of two lists of one
// device that with the higher counter holds: clocks need not agree for that.
type AddrTerms struct {
	_         struct{} `cbor:",toarray"`
	Coop      record.ID
	Device    record.Key
	Transport []byte // the identity of its transport key, see TransportIdentity
	Counter   uint64
	Addrs     []string // multiaddrs without the peer's id; none: it does not say
}

// AddrList is AddrTerms with the proof that the device's own node says so: the device
// signed once for the transport key, and that signs each list. So a node whose device
// is locked can say where it is.
type AddrList struct {
	_     struct{} `cbor:",toarray"`
	Terms AddrTerms
	Claim record.Sig // of the device, over TransportClaim
	Sig   record.Sig // of the transport key, over the terms
}

// Addrs passes lists on, each of another device. They were checked when the message
// was decoded.
type Addrs struct{ Lists []AddrList }

type encodedAddrs struct {
	_     struct{} `cbor:",toarray"`
	Lists [][]byte
}

func (Addrs) number() byte { return 17 }

// identityHead is what stands before the key in the identity of an Ed25519 key: it is
// libp2p's, which has the key in it.
var identityHead = []byte{0x00, 0x24, 0x08, 0x01, 0x12, 0x20}

// TransportIdentity is what a connection proves of a node with this transport key.
func TransportIdentity(key record.Key) []byte { return slices.Concat(identityHead, key[:]) }

// transportKey is the key whose identity it is.
func transportKey(identity []byte) (key record.Key, ok bool) {
	b, ok := bytes.CutPrefix(identity, identityHead)
	if !ok || len(b) != len(key) {
		return key, false
	}
	return record.Key(b), true
}

// TransportClaim is what a device signs, in record.DomainTransport, to say that
// a transport key speaks for it.
func TransportClaim(coopID record.ID, transport []byte) []byte {
	return slices.Concat(coopID[:], transport)
}

// SignAddrs signs terms with the transport key. Claim is the device's.
func SignAddrs(terms AddrTerms, claim record.Sig, transport *record.Private) AddrList {
	return AddrList{Terms: terms, Claim: claim, Sig: transport.Sign(record.DomainAddrs, record.Marshal(terms))}
}

// Encode returns the one encoding of a list.
func (l AddrList) Encode() []byte { return record.Marshal(l) }

// DecodeAddrs reads a list and checks all that can be said without knowing the co-op.
func DecodeAddrs(b []byte) (l AddrList, err error) {
	if l, err = readList(b); err == nil {
		err = l.verify()
	}
	return l, err
}

// readList reads a list without looking at its signatures.
func readList(b []byte) (l AddrList, err error) {
	if len(b) > maxListLen {
		return l, fmt.Errorf("addresses: %w", errTooMuch)
	}
	if err := record.Unmarshal(b, &l); err != nil {
		return l, fmt.Errorf("addresses: %w", err)
	}
	if len(l.Terms.Addrs) > MaxAddrs || !noneTwice(l.Terms.Addrs, strings.Clone) {
		return l, fmt.Errorf("addresses: %w", errTooMuch)
	}
	if slices.ContainsFunc(l.Terms.Addrs, func(a string) bool { return !IsAddr(a) }) {
		return l, errors.New("addresses: one is none")
	}
	return l, nil
}

func (l AddrList) verify() error {
	t := l.Terms
	key, ok := transportKey(t.Transport)
	switch {
	case !ok || key.Check() != nil || t.Device.Check() != nil:
		return errors.New("addresses: they name no key")
	case !t.Device.Verify(record.DomainTransport, TransportClaim(t.Coop, t.Transport), l.Claim):
		return errors.New("addresses: the device did not sign for the transport key")
	case !key.Verify(record.DomainAddrs, record.Marshal(t), l.Sig):
		return errors.New("addresses: the transport key did not sign them")
	}
	return nil
}

// IsAddr reports whether a text may stand among the addresses of a list. What it
// means is for the network to say.
func IsAddr(a string) bool {
	odd := func(c rune) bool { return c <= ' ' || c > '~' }
	return 0 < len(a) && len(a) <= MaxAddrLen && a[0] == '/' && strings.IndexFunc(a, odd) < 0
}

func (m Addrs) encoded() encodedAddrs {
	e := encodedAddrs{Lists: make([][]byte, len(m.Lists))}
	for i, l := range m.Lists {
		e.Lists[i] = l.Encode()
	}
	return e
}

func decodeAddrs(b []byte) (Message, error) {
	var e encodedAddrs
	if err := record.Unmarshal(b[1:], &e); err != nil {
		return nil, fmt.Errorf("message 17: %w", err)
	}
	if len(e.Lists) == 0 || len(e.Lists) > MaxLists {
		return nil, fmt.Errorf("message 17: %w", errTooMuch)
	}
	m := Addrs{Lists: make([]AddrList, len(e.Lists))}
	for i, b := range e.Lists {
		var err error
		if m.Lists[i], err = readList(b); err != nil {
			return nil, fmt.Errorf("message 17: %w", err)
		}
	}
	if !noneTwice(m.Lists, func(l AddrList) record.Key { return l.Terms.Device }) {
		return nil, fmt.Errorf("message 17: %w", errTooMuch)
	}
	for _, l := range m.Lists {
		if err := l.verify(); err != nil {
			return nil, fmt.Errorf("message 17: %w", err)
		}
	}
	return m, nil
}
