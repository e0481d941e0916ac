package p2p

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Multicast DNS (RFC 6762), as far as nodes need it to find each other: a question
// for the service, and an answer that names one's addresses on the link where it is
// said. All that comes is a stranger's.
const (
	// mdnsName is the same for every co-op: a name of its own would tell the
	// local network who belongs to which.
	mdnsName = "_coop-p2p._udp.local."
	mdnsPort = 5353
	mdnsAddr = "dnsaddr=" // what begins an address in an answer, as with libp2p
	mdnsTTL  = 120        // seconds; finds are kept for as long as they can be reached

	askFirst = time.Second // between two questions, growing
	askMax   = time.Minute
	tellGap  = time.Second // between two answers, and between the two that nobody asked for

	packetMax      = 9000 // RFC 6762, 17
	recordsMax     = 32   // looked at in one packet
	packetsRate    = 1000 // looked at in a second: a network has other things to announce
	findsRate      = 128  // announcements looked at in a second
	findsRateOfOne = 16   // and from one address
	tellBytes      = 1100 // of addresses in an answer, so that it fits a frame of Ethernet
)

var (
	group4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdnsPort}
	group6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: mdnsPort}
)

// mdns speaks and hears on all links.
type mdns struct {
	n     *Net
	name  string // of this run of the node
	v4    *ipv4.PacketConn
	v6    *ipv6.PacketConn
	asked chan struct{} // holds one: somebody asks who is there
	rate  rate          // guarded by Net.mu
}

// rate counts what came within a second.
type rate struct {
	second  int64
	packets int
	finds   int
	of      map[netip.Addr]int
}

// keepDiscovering announces this node on the local network and looks for others:
// when it starts, whenever the interfaces change or a peer is lost, and now and then.
func (n *Net) keepDiscovering() {
	var random [8]byte
	rand.Read(random[:])
	m := &mdns{n: n, name: hex.EncodeToString(random[:]) + "." + mdnsName, asked: make(chan struct{}, 1)}
	defer m.close()
	var asked, told time.Time              // the last time
	pause, tells, due := askFirst, 1, true // told twice: at first somebody may not be ready to hear
	ask, tell := time.NewTimer(0), time.NewTimer(0)
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.moved:
			pause, tells, due = askFirst, 1, true
			ask.Reset(0)
			tell.Reset(0)
		case <-n.asks:
			pause = askFirst
			ask.Reset(time.Until(asked.Add(askFirst)))
		case <-ask.C:
			m.open()
			m.send(question)
			asked = time.Now()
			ask.Reset(pause)
			pause = min(2*pause, askMax)
		case <-m.asked:
			if !due { // of many who hear the question, not all answer at once
				due = true
				tell.Reset(max(time.Until(told.Add(tellGap)), 20*time.Millisecond+mrand.N(100*time.Millisecond)))
			}
		case <-tell.C:
			m.open()
			m.send(m.answer)
			told, due = time.Now(), tells > 0
			if due {
				tells--
				tell.Reset(tellGap)
			}
		}
	}
}

// tell has this node announced anew, and ask has others asked.
func (n *Net) tell() { wake(n.moved) }
func (n *Net) ask()  { wake(n.asks) }

// open opens what is not open, and listens on the links of now, the most useful first:
// a system lets one socket listen on some only.
func (m *mdns) open() {
	if m.v4 == nil {
		if c := multicastSocket("udp4", net.IPv4(224, 0, 0, 0)); c != nil {
			m.v4 = ipv4.NewPacketConn(c)
			_ = m.v4.SetControlMessage(ipv4.FlagInterface, true)
			_ = m.v4.SetMulticastTTL(255)
			m.n.spawn(func() { m.read(m.read4) })
		}
	}
	if m.v6 == nil {
		if c := multicastSocket("udp6", net.ParseIP("ff02::")); c != nil {
			m.v6 = ipv6.NewPacketConn(c)
			_ = m.v6.SetControlMessage(ipv6.FlagInterface, true)
			_ = m.v6.SetMulticastHopLimit(255)
			m.n.spawn(func() { m.read(m.read6) })
		}
	}
	for _, l := range m.n.multicast() {
		i := &net.Interface{Index: l.index}
		if m.v4 != nil {
			_ = m.v4.JoinGroup(i, group4) // most often it has
		}
		if m.v6 != nil {
			_ = m.v6.JoinGroup(i, group6)
		}
	}
}

// multicastSocket shares the port with other programs of this machine; nil where the
// protocol is off.
func multicastSocket(network string, ip net.IP) *net.UDPConn {
	c, err := net.ListenUDP(network, &net.UDPAddr{IP: ip, Port: mdnsPort})
	if err != nil {
		return nil
	}
	return c
}

func (m *mdns) close() {
	if m.v4 != nil {
		m.v4.Close()
	}
	if m.v6 != nil {
		m.v6.Close()
	}
}

// multicast returns the links on which nodes look for each other, the most useful
// first.
func (n *Net) multicast() []link {
	links := slices.DeleteFunc(n.linksNow(), func(l link) bool { return l.flags&net.FlagMulticast == 0 || l.flags&net.FlagLoopback != 0 })
	out := routed()
	slices.SortStableFunc(links, func(a, b link) int { return a.rank(out) - b.rank(out) })
	return links
}

// send says something on every link; build may have nothing to say on one.
func (m *mdns) send(build func(link) []byte) {
	for _, l := range m.n.multicast() {
		b := build(l)
		if b == nil {
			continue
		}
		if m.v4 != nil {
			_, _ = m.v4.WriteTo(b, &ipv4.ControlMessage{IfIndex: l.index}, group4)
		}
		if m.v6 != nil {
			_, _ = m.v6.WriteTo(b, &ipv6.ControlMessage{IfIndex: l.index}, group6)
		}
	}
}

func (m *mdns) read4(b []byte) (size, index int, from net.Addr, err error) {
	size, cm, from, err := m.v4.ReadFrom(b)
	if cm != nil {
		index = cm.IfIndex
	}
	return size, index, from, err
}

func (m *mdns) read6(b []byte) (size, index int, from net.Addr, err error) {
	size, cm, from, err := m.v6.ReadFrom(b)
	if cm != nil {
		index = cm.IfIndex
	}
	return size, index, from, err
}

// read takes packets until the socket is closed.
func (m *mdns) read(from func([]byte) (int, int, net.Addr, error)) {
	buf := make([]byte, packetMax+1)
	for m.n.ctx.Err() == nil {
		size, index, source, err := from(buf)
		if err != nil {
			sleep(m.n.ctx, tellGap)
			continue
		}
		if a, ok := source.(*net.UDPAddr); ok && size <= packetMax {
			m.hear(buf[:size], index, a.AddrPort().Addr().WithZone("").Unmap())
		}
	}
}

// hear takes a packet that came in over the link with this index from a source.
func (m *mdns) hear(packet []byte, index int, source netip.Addr) {
	l, ok := m.n.linkOf(index, source)
	if !ok || !m.allow((*rate).packet) {
		return
	}
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	switch {
	case err != nil:
	case !h.Response:
		if isAsked(&p) {
			wake(m.asked)
		}
	case p.SkipAllQuestions() == nil:
		for _, texts := range answers(&p) {
			m.find(texts, l, source)
		}
	}
}

// find takes an announcement. It is counted before it is read: reading is what costs.
func (m *mdns) find(texts []string, l link, source netip.Addr) {
	if !m.allow(func(r *rate) bool { return r.find(source) }) {
		return
	}
	if id, addrs := onLink(texts, l); id != "" {
		m.n.heard(id, addrs, source)
	}
}

// allow asks the rate of this second.
func (m *mdns) allow(what func(*rate) bool) bool {
	m.n.mu.Lock()
	defer m.n.mu.Unlock()
	m.rate.begin(time.Now().Unix())
	return what(&m.rate)
}

// begin counts anew in another second.
func (r *rate) begin(second int64) {
	if second != r.second {
		*r = rate{second: second, of: map[netip.Addr]int{}}
	}
}

// packet reports whether one more packet is looked at.
func (r *rate) packet() bool {
	r.packets++
	return r.packets <= packetsRate
}

// find reports whether one more announcement of a source is taken.
func (r *rate) find(source netip.Addr) bool {
	if r.finds == findsRate || r.of[source] == findsRateOfOne {
		return false
	}
	r.finds++
	r.of[source]++
	return true
}

// linkOf returns the link a packet came over, if its source is on it.
func (n *Net) linkOf(index int, source netip.Addr) (link, bool) {
	for _, l := range n.linksNow() {
		if (index == 0 || l.index == index) && (isLinkLocal6(source) || l.reaches(source)) {
			return l, true
		}
	}
	return link{}, false
}

// isAsked reports whether somebody asks for nodes.
func isAsked(p *dnsmessage.Parser) bool {
	for range recordsMax {
		q, err := p.Question()
		if err != nil {
			return false
		}
		if isName(q.Name, mdnsName) && (q.Type == dnsmessage.TypePTR || q.Type == dnsmessage.TypeALL) {
			return true
		}
	}
	return false
}

func isName(n dnsmessage.Name, s string) bool { return strings.EqualFold(n.String(), s) }

// answers returns the texts of nodes in an answer: libraries' responders put them
// into any section behind the questions.
func answers(p *dnsmessage.Parser) (texts [][]string) {
	sections := []struct {
		head func() (dnsmessage.ResourceHeader, error)
		skip func() error
	}{{p.AnswerHeader, p.SkipAnswer}, {p.AuthorityHeader, p.SkipAuthority}, {p.AdditionalHeader, p.SkipAdditional}}
	left := recordsMax
	for _, s := range sections {
		for {
			h, err := s.head()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				break
			}
			if left--; err != nil || left < 0 {
				return texts
			}
			_, service, _ := strings.Cut(h.Name.String(), ".")
			if h.Type != dnsmessage.TypeTXT || h.TTL == 0 || !strings.EqualFold(service, mdnsName) {
				if s.skip() != nil {
					return texts
				}
				continue
			}
			r, err := p.TXTResource()
			if err != nil {
				return texts
			}
			texts = append(texts, r.TXT)
		}
	}
	return texts
}

// onLink returns the peer that an answer's texts name, and those of its addresses
// that are in a subnet of the link it came over: a stranger shall not make this node
// call anybody whom the stranger could not call from where it is. Nothing else that
// libp2p could dial is taken, such as names.
func onLink(texts []string, l link) (p peer.ID, addrs []ma.Multiaddr) {
	for _, text := range texts[:min(len(texts), addrsPerPeer)] {
		text, ok := strings.CutPrefix(text, mdnsAddr)
		if !ok {
			continue
		}
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			continue
		}
		info, err := peer.AddrInfoFromP2pAddr(a)
		if err != nil || len(info.Addrs) != 1 || p != "" && info.ID != p {
			continue
		}
		if at := info.Addrs[0]; isPlain(at) && isOn(at, l) {
			p, addrs = info.ID, append(addrs, at)
		}
	}
	return p, addrs
}

// isPlain reports whether an address is of the two ways that nodes listen on.
func isPlain(a ma.Multiaddr) bool {
	var codes []int
	for _, c := range a {
		codes = append(codes, c.Code())
	}
	return len(codes) > 1 && (codes[0] == ma.P_IP4 || codes[0] == ma.P_IP6) &&
		(slices.Equal(codes[1:], []int{ma.P_TCP}) || slices.Equal(codes[1:], []int{ma.P_UDP, ma.P_QUIC_V1}))
}

func isOn(a ma.Multiaddr, l link) bool {
	ip, err := manet.ToIP(a)
	if err != nil {
		return false
	}
	at, ok := netip.AddrFromSlice(ip)
	at = at.Unmap()
	return ok && l.flags&net.FlagLoopback == 0 && !at.IsLoopback() && !isLinkLocal6(at) && l.reaches(at)
}

var (
	serviceName = dnsmessage.MustNewName(mdnsName)
	inet        = dnsmessage.ClassINET
)

// question asks who is there.
func question(link) []byte {
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: serviceName, Type: dnsmessage.TypePTR, Class: inet}}}
	b, _ := m.Pack()
	return b
}

// answer says where this node listens on a link, nil where it does not.
func (m *mdns) answer(l link) []byte {
	var texts []string
	size := 0
	places := m.n.placesOn(l, nil)
	slices.SortFunc(places, place.compare)
	for _, p := range places {
		text := mdnsAddr + p.addr.String() + "/p2p/" + m.n.host.ID().String()
		if size += len(text) + 1; size > tellBytes {
			break
		}
		if isOn(p.addr, l) {
			texts = append(texts, text)
		}
	}
	name, err := dnsmessage.NewName(m.name)
	if texts == nil || err != nil {
		return nil
	}
	head := func(n dnsmessage.Name) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: n, Class: inet, TTL: mdnsTTL}
	}
	answer := dnsmessage.Message{
		Header:      dnsmessage.Header{Response: true, Authoritative: true},
		Answers:     []dnsmessage.Resource{{Header: head(serviceName), Body: &dnsmessage.PTRResource{PTR: name}}},
		Additionals: []dnsmessage.Resource{{Header: head(name), Body: &dnsmessage.TXTResource{TXT: texts}}},
	}
	b, err := answer.Pack()
	if err != nil {
		m.n.cfg.Log.Debug("no announcement", "error", err)
	}
	return b
}
