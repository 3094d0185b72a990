package ray

import "sync/atomic"

var mainCalled atomic.Bool

func Main() { mainCalled.Store(true) }

func newProcesses(l *local) executor { return goroutines{l} }
