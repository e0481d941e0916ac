package keys

import "os"

// memoryDir is a folder that is on no disk.
const memoryDir = "/dev/shm"

// bootID names the time since this machine was started.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(b)
}
