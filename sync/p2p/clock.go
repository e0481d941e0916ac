package p2p

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// quicLater is how long QUIC is given no try where there is a TCP address too.
const quicLater = 250 * time.Millisecond

// tcpFirst tries TCP before QUIC. QUIC's handshake checks certificates against the
// clock, and fails where two clocks differ by an hour: with TCP the two can at least
// tell each other what time it is.
func tcpFirst(addrs []ma.Multiaddr) []network.AddrDelay {
	var tcp, ranked []network.AddrDelay
	for _, a := range addrs {
		if _, err := a.ValueForProtocol(ma.P_TCP); err == nil {
			tcp = append(tcp, network.AddrDelay{Addr: a})
		}
	}
	ranked = tcp
	for _, a := range addrs {
		if _, err := a.ValueForProtocol(ma.P_TCP); err == nil {
			continue
		}
		delay := quicLater
		if len(tcp) == 0 {
			delay = 0
		}
		ranked = append(ranked, network.AddrDelay{Addr: a, Delay: delay})
	}
	return ranked
}

// clocksDiffer reports whether a call failed because the peer's certificate is not
// valid by this machine's clock. It begins an hour before the peer's program did. That
// is all that can be known of a peer that is not heard: libp2p keeps no more of it than
// the text.
func clocksDiffer(err error) bool {
	return err != nil && strings.Contains(err.Error(), x509.CertificateInvalidError{Reason: x509.Expired}.Error())
}

// unreached says why a call came to nothing.
func unreached(addr string, err error) error {
	if clocksDiffer(err) {
		return fmt.Errorf("cannot reach %s: by this computer's clock, what the other one proves itself with is not valid: "+
			"is the time right on both?", addr)
	}
	return fmt.Errorf("cannot reach %s: is the other computer on, and on this network?", addr)
}
