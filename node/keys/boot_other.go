//go:build !linux

package keys

import "golang.org/x/sys/unix"

// memoryDir would be a folder that is on no disk: there is none.
const memoryDir = ""

// bootID names the time since this machine was started.
func bootID() string {
	id, _ := unix.Sysctl("kern.bootsessionuuid")
	return id
}
