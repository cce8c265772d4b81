//go:build !linux

package lab

import "syscall"

// attributes has nothing to say here.
func attributes() *syscall.SysProcAttr { return nil }
