package member_test

import (
	"bytes"
	"compress/flate"
	"encoding/base32"
	"runtime"
	"slices"
	"strings"
	"testing"

	"coop/crdt/member"
	"coop/crdt/record"
)

func code() member.Invite {
	return member.Invite{
		Coop: record.ID{1}, CoopName: "Willow Street", Seed: [32]byte{2}, Secret: [32]byte{3},
		Addrs: []string{"/ip4/192.168.1.7/tcp/4001", "/ip4/192.168.1.7/udp/4001/quic-v1"}, Anchors: [32]byte{4}, Leader: record.ID{5},
		Agreement: agreement, Expires: 1_700_000_000_000,
	}
}

func equal(a, b member.Invite) bool {
	return a.String() == b.String() && slices.Equal(a.Addrs, b.Addrs)
}

func TestInviteCode(t *testing.T) {
	device := code()
	device.Member, device.Root = record.ID{6}, rootOf("Ana").Public()
	recovery := code()
	recovery.Member = record.ID{6}
	bare := member.Invite{Coop: record.ID{1}, CoopName: "W"}
	for name, i := range map[string]member.Invite{"newcomer": code(), "device": device, "recovery": recovery, "bare": bare} {
		s := i.String()
		for _, form := range []string{s, strings.ToUpper(s), " " + s + "\n", s[:40] + "\n   " + s[40:]} {
			got, err := member.ParseInvite(form)
			if err != nil || !equal(got, i) {
				t.Errorf("%s: got %+v, %v", name, got, err)
			}
		}
		if got := i.ForDevice(); got != (name == "device") {
			t.Errorf("%s: for a device: %v", name, got)
		}
		if got := i.ForRecovery(); got != (name == "recovery") {
			t.Errorf("%s: for a recovery: %v", name, got)
		}
		if i.Key().Public() != record.NewPrivate(i.Seed).Public() {
			t.Errorf("%s: another key than the seed's", name)
		}
	}
}

// TestInviteTypos changes, leaves out, doubles and swaps each character.
func TestInviteTypos(t *testing.T) {
	s := code().String()
	typo := func(name, s string) {
		t.Helper()
		_, err := member.ParseInvite(s)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if !strings.Contains(err.Error(), "typo") {
			t.Errorf("%s: got %q, want one that says typo", name, err)
		}
	}
	for i := len("coop1"); i < len(s); i++ {
		other := byte('a')
		if s[i] == other {
			other = 'b'
		}
		typo("changed", s[:i]+string(other)+s[i+1:])
		typo("left out", s[:i]+s[i+1:])
		typo("cut off", s[:i])
		typo("doubled", s[:i]+s[i:i+1]+s[i:])
		if i+1 < len(s) && s[i] != s[i+1] {
			typo("swapped", s[:i]+s[i+1:i+2]+s[i:i+1]+s[i+2:])
		}
	}
	_, err := member.ParseInvite(s[:20] + "0" + s[21:])
	refuse(t, err, "typo", "character 21", "'0'")
	_, err = member.ParseInvite(s[:20] + "é" + s[21:])
	refuse(t, err, "typo")
}

func TestWrongInvites(t *testing.T) {
	// sealed gives bytes the form of a code, checksum and all.
	sealed := func(b []byte) string {
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, flate.BestCompression)
		w.Write(b)
		w.Close()
		b = packed.Bytes()
		sum := record.Domain("coop/1 invite\x00").Hash(b)
		return "coop1" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(append(slices.Clone(b), sum[:5]...)))
	}
	with := func(change func(i *member.Invite)) string {
		i := code()
		change(&i)
		if i.Check() == nil {
			t.Errorf("check accepts %+v", i)
		}
		return sealed(record.Marshal(i))
	}
	if got := sealed(record.Marshal(code())); got != code().String() {
		t.Fatal("the test makes codes of another form")
	}
	tests := map[string]struct{ code, says string }{
		"empty":             {"", "empty"},
		"blank":             {" \n", "empty"},
		"a link":            {"https://example.org", "begins with coop1"},
		"prefix alone":      {"coop1", "cut off"},
		"a whole file":      {"coop1" + text(3*member.MaxInviteLen), "too long"},
		"too long":          {"coop1" + text(member.MaxInviteLen+1), "too long"},
		"another version":   {sealed([]byte{0x81, 0x01}), "update"},
		"a bomb":            {sealed(make([]byte, 1<<20)), "update"},
		"no name":           {with(func(i *member.Invite) { i.CoopName = "" }), "not usable"},
		"nine addresses":    {with(func(i *member.Invite) { i.Addrs = slices.Repeat([]string{"a"}, 9) }), "9 addresses"},
		"empty address":     {with(func(i *member.Invite) { i.Addrs = []string{""} }), "address"},
		"long address":      {with(func(i *member.Invite) { i.Addrs = []string{text(member.MaxAddrLen + 1)} }), "129 bytes"},
		"escape in address": {with(func(i *member.Invite) { i.Addrs = []string{"\x1b[2J"} }), "invisible"},
		"negative expiry":   {with(func(i *member.Invite) { i.Expires = -1 }), "1970"},
		"expiry after 9999": {with(func(i *member.Invite) { i.Expires = record.MaxTime + 1 }), "9999"},
		"root, no member":   {with(func(i *member.Invite) { i.Root = rootOf("Ana").Public() }), "no member"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := member.ParseInvite(tt.code)
			refuse(t, err, tt.says)
			if err != nil && strings.Contains(err.Error(), "typo") && name != "prefix alone" {
				t.Errorf("got %q, which blames a typo", err)
			}
		})
	}
}

// TestLongestInviteFits: whatever Check allows makes a code that is read.
func TestLongestInviteFits(t *testing.T) {
	i := code()
	i.CoopName = text(member.MaxNameLen)
	i.Addrs = slices.Repeat([]string{text(member.MaxAddrLen)}, member.MaxAddrs)
	i.Expires = record.MaxTime
	i.Member, i.Root = record.ID{6}, rootOf("Ana").Public()
	if _, err := member.ParseInvite(i.String()); err != nil {
		t.Errorf("%d characters: got %v", len(i.String()), err)
	}
}

// TestDomains: what this package signs and hashes is of no other purpose.
func TestDomains(t *testing.T) {
	all := append(record.Domains(), "coop/1 invite\x00", "coop/1 seat\x00")
	slices.Sort(all)
	for i, d := range slices.Compact(all) {
		for _, o := range all[i+1:] {
			if strings.HasPrefix(string(o), string(d)) {
				t.Errorf("%q is a prefix of %q", d, o)
			}
		}
	}
}

// TestInviteBomb: a code of a few lines that unpacks to a megabyte is cut off
// before that takes memory.
func TestInviteBomb(t *testing.T) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, 1<<20))
	w.Close()
	sum := record.DomainInvite.Hash(packed.Bytes())
	bomb := "coop1" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(append(packed.Bytes(), sum[:5]...)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = member.ParseInvite(bomb)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 512<<10 {
		t.Errorf("a bomb of %d characters takes %d bytes: %v", len(bomb), took, err)
	}
}
