//go:build !linux

package main_test

import "errors"

// Only Linux mounts a small disk in memory for a test.
func mountSmall(string, string) error { return errors.ErrUnsupported }

func unmount(string) {}

func remount(string, bool) error { return errors.ErrUnsupported }
