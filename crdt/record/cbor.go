package record

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

var errEncoding = errors.New("not in deterministic encoding")

// The two modes are built once and never change.
var (
	encMode = mustEncMode()
	decMode = mustDecMode()
)

func mustEncMode() cbor.EncMode {
	opts := cbor.CoreDetEncOptions()
	opts.NilContainers = cbor.NilContainerAsEmpty // the protocol has no nulls
	opts.IndefLength = cbor.IndefLengthForbidden
	opts.TagsMd = cbor.TagsForbidden
	mode, err := opts.EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}

func mustDecMode() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  16,
		MaxArrayElements: MaxBodyLen,
		MaxMapPairs:      16,
		UTF8:             cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}

// Marshal returns the deterministic encoding of v, which is built from structs
// marked `cbor:",toarray"`, slices, arrays, integers, strings and booleans. A
// value that cannot be encoded is a mistake in this program: Marshal panics.
func Marshal(v any) []byte {
	b, err := encMode.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("record: encoding %T: %v", v, err))
	}
	return b
}

// Unmarshal reads the one encoding of a value into v, a pointer. Bytes that
// decode but are not what Marshal would write (a longer integer, an array in
// place of bytes, a null, anything behind the value) are refused.
func Unmarshal(b []byte, v any) error {
	if err := decMode.Unmarshal(b, v); err != nil {
		return err
	}
	again, err := encMode.Marshal(v)
	if err != nil || !bytes.Equal(b, again) {
		return errEncoding
	}
	return nil
}

// UnmarshalFirst reads the first of several values written one after the other
// by Marshal and returns the bytes behind it. It is for caches of this node's
// own making and does not insist on the deterministic encoding.
func UnmarshalFirst(b []byte, v any) (rest []byte, err error) {
	return decMode.UnmarshalFirst(b, v)
}
