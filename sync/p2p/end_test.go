package p2p

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/libp2p/go-libp2p/core/network"

	"coop/sync/wire"
)

// TestQuietEnd: a peer whose power went, or whose line broke, sent no garbage; one
// that sent a broken message did, however the stream ended.
func TestQuietEnd(t *testing.T) {
	half, broken := []byte{0, 0, 1, 0, 0}, []byte{0, 0, 0, 3, 0, 99, 0x80}
	for _, end := range []error{io.EOF, network.ErrReset, errors.New("timeout: no recent network activity"), errors.New("connection reset by peer")} {
		for _, c := range []struct {
			sent  []byte
			quiet bool
		}{{nil, true}, {half, true}, {broken, false}} {
			in := &counter{r: io.MultiReader(bytes.NewReader(c.sent), iotest.ErrReader(end)), n: new(atomic.Int64)}
			codec, err := wire.NewCodec()
			if err != nil {
				t.Fatal(err)
			}
			_, err = codec.ReadFrame(in, func() wire.Expected { return wire.Expect(wire.Welcome{}) })
			if got := in.quietEnd(err); got != c.quiet {
				t.Errorf("after %d bytes and %v: quiet %v: %v", len(c.sent), end, got, err)
			}
		}
	}
}
