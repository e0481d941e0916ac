package member

import (
	"bytes"
	"compress/flate"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"

	"coop/crdt/record"
)

// Limits of an invite code. It must fit a QR code, which holds 4296 letters
// and digits.
const (
	MaxInviteLen = 4096 // characters
	MaxAddrs     = 8
	MaxAddrLen   = 128 // bytes
)

const (
	invitePrefix = "coop1"
	inviteSumLen = 5 // bytes: one typo in 10^12 goes unseen
)

var inviteText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Invite is what a code tells the one who gets it: how to find the co-op, how
// to know that it is the right one, and the secret that lets them ask to join.
// Whoever has the code can use it.
type Invite struct {
	_         struct{} `cbor:",toarray"`
	Coop      record.ID
	CoopName  string
	Seed      [32]byte   // of the invite's key
	Secret    [32]byte   // of the co-op's network
	Addrs     []string   // where to call first
	Anchors   [32]byte   // hash of the list of anchors
	Leader    record.ID  // the latest final leader
	Agreement [32]byte   // SHA-256 of the text newcomers accept; zeros: none
	Expires   int64      // unix milliseconds, 0: never
	Member    record.ID  // whose further device it is for, or whose recovery; zero: it is for a newcomer
	Root      record.Key // the root key of Member; zero: it is for a newcomer or a recovery
}

// Key returns the key that signs for the holder of the code.
func (i Invite) Key() *record.Private { return record.NewPrivate(i.Seed) }

// ForDevice reports whether the code is for another device of Member.
func (i Invite) ForDevice() bool { return i.Root != (record.Key{}) }

// ForRecovery reports whether the code is for Member, whose keys are lost, to ask
// the co-op for a decision.
func (i Invite) ForRecovery() bool { return i.Member != (record.ID{}) && !i.ForDevice() }

// Check says what is wrong with an invite that is to become a code.
func (i Invite) Check() error {
	if err := checkName("the co-op's name", i.CoopName); err != nil {
		return err
	}
	if len(i.Addrs) > MaxAddrs {
		return fmt.Errorf("%d addresses, more than %d", len(i.Addrs), MaxAddrs)
	}
	for _, a := range i.Addrs {
		if a == "" || len(a) > MaxAddrLen {
			return fmt.Errorf("an address is %d bytes, not 1 to %d", len(a), MaxAddrLen)
		}
		if err := checkText("an address", a, MaxAddrLen); err != nil {
			return err
		}
	}
	if i.Expires < 0 || i.Expires > record.MaxTime {
		return errors.New("it expires before 1970 or after 9999")
	}
	if !i.ForDevice() {
		return nil
	}
	if i.Member == (record.ID{}) {
		return errors.New("it has a root key but no member")
	}
	return i.Root.Check()
}

// String returns the code: "coop1", then base32 of the deflated invite and a
// checksum. A code is typed, and half of an invite are zeros and one peer's
// addresses.
func (i Invite) String() string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = w.Write(record.Marshal(i))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("member: " + err.Error()) // a buffer takes everything
	}
	return invitePrefix + inviteText.EncodeToString(append(b.Bytes(), inviteSum(b.Bytes())...))
}

// inflate returns the invite in a code. One that would be longer than any
// invite is cut off, and so cannot be read.
func inflate(b []byte) ([]byte, error) {
	return io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), MaxInviteLen))
}

func inviteSum(b []byte) []byte {
	sum := record.DomainInvite.Hash(b)
	return sum[:inviteSumLen]
}

// ParseInvite reads a code. Spaces, line breaks and capitals do no harm. The
// errors tell a typo from something that is no code of ours.
func ParseInvite(s string) (Invite, error) {
	if len(s) > 2*MaxInviteLen {
		return Invite{}, errors.New("this is too long for an invite code: copy the code alone")
	}
	code := strings.ToLower(strings.Join(strings.Fields(s), ""))
	if code == "" {
		return Invite{}, errors.New("the invite code is empty: copy all of it, from coop1 on")
	}
	code, ok := strings.CutPrefix(code, invitePrefix)
	if !ok {
		return Invite{}, errors.New("this is no invite code: a code begins with coop1")
	}
	if len(code) > MaxInviteLen {
		return Invite{}, errors.New("this is too long for an invite code: copy the code alone")
	}
	for i, c := range code {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return Invite{}, fmt.Errorf("the invite code has a typo: character %d is %q, but codes are made of a-z and 2-7", len(invitePrefix)+i+1, c)
		}
	}
	b, err := inviteText.DecodeString(code)
	if err != nil || len(b) <= inviteSumLen || inviteText.EncodeToString(b) != code {
		return Invite{}, errors.New("the invite code was cut off or has a typo: copy all of it")
	}
	b, sum := b[:len(b)-inviteSumLen], b[len(b)-inviteSumLen:]
	if !bytes.Equal(sum, inviteSum(b)) {
		return Invite{}, errors.New("the invite code was cut off or has a typo: its checksum does not match; copy or type it again")
	}
	var i Invite
	if b, err = inflate(b); err == nil {
		err = record.Unmarshal(b, &i)
	}
	if err != nil {
		return Invite{}, errors.New("the invite code is of another version of coop: update, or ask for a new code")
	}
	if err := i.Check(); err != nil {
		return Invite{}, fmt.Errorf("the invite code is not usable (%w): ask for a new one", err)
	}
	return i, nil
}
