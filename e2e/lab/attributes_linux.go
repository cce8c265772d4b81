package lab

import "syscall"

// attributes lets the kernel end a child when this program is killed and can stop nothing any more.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
