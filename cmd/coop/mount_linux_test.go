package main_test

import "syscall"

// mountSmall mounts a disk of a size, such as 96m, in memory.
func mountSmall(dir, size string) error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size) }

func unmount(dir string) { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }

// remount has a disk of mountSmall be written no more, or again.
func remount(dir string, readOnly bool) error {
	flags := uintptr(syscall.MS_REMOUNT)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	return syscall.Mount("", dir, "", flags, "")
}
