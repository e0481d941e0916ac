package simnet

// Fault is a bug planted on purpose, to see that the simulator finds it, and by
// which rule.
type Fault string

// The faults.
const (
	NoFault          Fault = ""
	ServeBeforeStore Fault = "what a node says leaves before what it holds is stored"
	SkipSync         Fault = "what is written is not synced"
	SignAfterRestore Fault = "a device signs at once after its disk came back old"
	MixUpRecords     Fault = "some disks give other bodies than they were given"
	TakeAnything     Fault = "gossip is taken without asking whether its device stands"
	BearTooMuch      Fault = "of four tellers two fork, and nobody is to notice"
	DeafNode         Fault = "a node does not listen to answers"
	ForgetAnchors    Fault = "nodes forget, with their caches, who followed the first tellers"
	LazyTellers      Fault = "tellers do not ack"
)
