package api

import (
	"errors"
	"net"
	"os"
)

// Listen listens on a node's socket, which only its owner can open. A socket
// that is left of a node that was killed is in nobody's use: the caller holds
// the lock of the home.
func Listen(socket string) (net.Listener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, &Error{Code: CodeFailed, Message: "the node's socket: " + err.Error()}
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, &Error{Code: CodeFailed, Message: "the node's socket: " + err.Error(), Hint: "the path of a home must be shorter than about 90 characters: use another --home"}
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		l.Close()
		return nil, &Error{Code: CodeFailed, Message: "the node's socket: " + err.Error()}
	}
	return l, nil
}
