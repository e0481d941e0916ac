//go:build !linux

package p2p

// watchLinks is nil: this system does not tell of changes in a way that we know, so
// interfaces are looked at.
func (n *Net) watchLinks() <-chan struct{} { return nil }
