package p2p_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/quic-go/quic-go"
)

// TestClocksDiffer calls, over QUIC, a peer whose clock is two hours ahead, and one who
// is not there: only of the first it says that the clocks may differ.
func TestClocksDiffer(t *testing.T) {
	bo := start(t, "Bo")
	for _, c := range []struct {
		name   string
		begins time.Duration // from now on its certificate is valid
		want   string
	}{
		{"ahead", time.Hour, "is the time right on both?"},
		{"nobody", 0, "is the other computer on"},
	} {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		begins := time.Now().Add(c.begins)
		identity := must(tls.NewIdentity(key, tls.WithCertTemplate(&x509.Certificate{
			SerialNumber: big.NewInt(1), NotBefore: begins, NotAfter: begins.AddDate(100, 0, 0),
		})))
		conf, _ := identity.ConfigForPeer("")
		l := must(quic.ListenAddr("127.0.0.1:0", conf, nil))
		addr := strings.Replace(l.Addr().String(), "127.0.0.1:", "/ip4/127.0.0.1/udp/", 1) + "/quic-v1/p2p/" + must(peer.IDFromPrivateKey(key)).String()
		if c.begins == 0 {
			l.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := bo.net.Dial(ctx, addr); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
		cancel()
		l.Close()
	}
}
