package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// Listen listens on a node's socket, in a folder that only its owner can open: so no
// other user of the computer reaches the socket, not even before its own mode is set. A
// socket that is left of a node that was killed is in nobody's use: the caller holds
// the lock of the home.
func Listen(socket string) (net.Listener, error) {
	if err := makeWay(socket); err != nil {
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

// makeWay removes the socket of a node that was killed, and nothing else.
func makeWay(socket string) error {
	dir := filepath.Dir(socket)
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("others can open the folder %s, which has mode %04o: run `chmod 700 %s`", dir, mode, dir)
	}
	info, err = os.Lstat(socket)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is something else: take it out of the home", socket)
	}
	if err != nil {
		return err
	}
	return os.Remove(socket)
}
