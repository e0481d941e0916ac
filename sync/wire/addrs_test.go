package wire_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"coop/crdt/record"
	"coop/sync/wire"
)

// where is what a node says of itself, for device n of a co-op; change is what it says
// otherwise.
func where(n byte, change func(*wire.AddrTerms)) wire.AddrList {
	device, transport := record.NewPrivate([32]byte{1, n}), record.NewPrivate([32]byte{2, n})
	terms := wire.AddrTerms{
		Coop: record.ID{9}, Device: device.Public(), Transport: wire.TransportIdentity(transport.Public()), Counter: 1, Addrs: []string{"/ip4/10.0.0.1/tcp/4001"},
	}
	change(&terms)
	return wire.SignAddrs(terms, device.Sign(record.DomainTransport, wire.TransportClaim(terms.Coop, terms.Transport)), transport)
}

func asItIs(*wire.AddrTerms) {}

func passedOn(lists ...wire.AddrList) (wire.Message, error) {
	return wire.Decode(wire.Encode(wire.Addrs{Lists: lists}))
}

// TestAddrs: addresses are taken as they were signed, by the transport key for which the
// device signed, and within bounds.
func TestAddrs(t *testing.T) {
	good := where(1, asItIs)
	if m, err := passedOn(good, where(2, asItIs)); err != nil || !reflect.DeepEqual(m.(wire.Addrs).Lists[0], good) {
		t.Fatalf("%+v, %v", m, err)
	}
	none := where(1, func(t *wire.AddrTerms) { t.Addrs = []string{} })
	if _, err := passedOn(none); err != nil {
		t.Errorf("who does not say where it is: %v", err)
	}
	signed := func(change func(*wire.AddrList)) wire.AddrList {
		l := where(1, asItIs)
		l.Terms.Addrs = []string{l.Terms.Addrs[0]}
		change(&l)
		return l
	}
	addrs := func(all ...string) wire.AddrList { return where(1, func(t *wire.AddrTerms) { t.Addrs = all }) }
	var many []string
	for i := range wire.MaxAddrs + 1 {
		many = append(many, fmt.Sprintf("/ip4/10.0.0.%d/tcp/1", i))
	}
	if _, err := passedOn(addrs(many[1:]...)); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	for what, c := range map[string]struct {
		list wire.AddrList
		want string
	}{
		"another counter than was signed":    {signed(func(l *wire.AddrList) { l.Terms.Counter++ }), "transport key did not sign"},
		"another address than was signed":    {signed(func(l *wire.AddrList) { l.Terms.Addrs[0] += "1" }), "transport key did not sign"},
		"another transport key":              {signed(func(l *wire.AddrList) { l.Terms.Transport = where(2, asItIs).Terms.Transport }), "device did not sign"},
		"another co-op":                      {signed(func(l *wire.AddrList) { l.Terms.Coop[0]++ }), "device did not sign"},
		"a device that did not sign":         {signed(func(l *wire.AddrList) { l.Terms.Device = where(2, asItIs).Terms.Device }), "device did not sign"},
		"the device signed in place of both": {signed(func(l *wire.AddrList) { l.Sig = l.Claim }), "transport key did not sign"},
		"the identity of no Ed25519 key":     {where(1, func(t *wire.AddrTerms) { t.Transport = t.Transport[1:] }), "name no key"},
		"an address that is too long":        {addrs("/" + strings.Repeat("a", wire.MaxAddrLen)), "one is none"},
		"an empty address":                   {addrs(""), "one is none"},
		"an address of two lines":            {addrs("/ip4/10.0.0.1/tcp/1\n/x"), "one is none"},
		"an address that is no text of ours": {addrs("/dns/ä/tcp/1"), "one is none"},
		"too many addresses":                 {addrs(many...), "more than the protocol allows"},
		"an address twice":                   {addrs(many[0], many[0]), "more than the protocol allows"},
	} {
		if _, err := passedOn(c.list); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

// TestManyAddrs: a message has lists of so many devices and no more, and each device
// once; the longest fits.
func TestManyAddrs(t *testing.T) {
	var lists []wire.AddrList
	for n := range byte(wire.MaxLists + 1) {
		lists = append(lists, where(n, func(t *wire.AddrTerms) {
			t.Counter, t.Addrs = 1<<64-1, nil
			for i := range wire.MaxAddrs {
				t.Addrs = append(t.Addrs, fmt.Sprintf("/%d%s", i, strings.Repeat("a", wire.MaxAddrLen-2)))
			}
		}))
	}
	if _, err := passedOn(lists[1:]...); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	later := where(3, func(t *wire.AddrTerms) { t.Counter = 2 })
	for what, all := range map[string][]wire.AddrList{"too many": lists, "none": {}, "a device twice": {where(3, asItIs), later}} {
		if _, err := passedOn(all...); err == nil || !strings.Contains(err.Error(), "more than the protocol allows") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := len(lists[0].Encode()); n < wire.MaxAddrs*wire.MaxAddrLen {
		t.Errorf("the longest list has %d bytes: this tested nothing", n)
	}
}

// TestAddrsVectors holds that lists are signed and encoded as the vectors have it, byte
// by byte.
func TestAddrsVectors(t *testing.T) {
	b, err := os.ReadFile("../../testdata/vectors/addrs.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Lists []struct {
			Name, DeviceSeed, TransportSeed, Coop, Identity, Terms, Claim, Sig, Encoded string
			Counter                                                                     uint64 `json:",string"`
			Addrs                                                                       []string
		}
	}
	if err := json.Unmarshal(b, &all); err != nil || len(all.Lists) != 2 {
		t.Fatalf("%d lists, %v", len(all.Lists), err)
	}
	read := func(text string) [32]byte {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != 32 {
			t.Fatalf("%q: %v", text, err)
		}
		return [32]byte(b)
	}
	for _, v := range all.Lists {
		device, transport := record.NewPrivate(read(v.DeviceSeed)), record.NewPrivate(read(v.TransportSeed))
		terms := wire.AddrTerms{
			Coop: read(v.Coop), Device: device.Public(), Transport: wire.TransportIdentity(transport.Public()), Counter: v.Counter, Addrs: v.Addrs,
		}
		l := wire.SignAddrs(terms, device.Sign(record.DomainTransport, wire.TransportClaim(terms.Coop, terms.Transport)), transport)
		for what, c := range map[string][2]string{
			"identity": {hex.EncodeToString(terms.Transport), v.Identity}, "terms": {hex.EncodeToString(record.Marshal(terms)), v.Terms},
			"claim": {hex.EncodeToString(l.Claim[:]), v.Claim}, "sig": {hex.EncodeToString(l.Sig[:]), v.Sig}, "list": {hex.EncodeToString(l.Encode()), v.Encoded},
		} {
			if c[0] != c[1] {
				t.Errorf("%s, %s: %s, want %s", v.Name, what, c[0], c[1])
			}
		}
		if got, err := wire.DecodeAddrs(l.Encode()); err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("%s: %+v, %v", v.Name, got, err)
		}
	}
}
