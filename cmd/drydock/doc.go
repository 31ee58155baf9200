// Command drydock runs Amazon ECS services behind an Application Load Balancer on
// one machine. `drydock daemon` is the control plane; the other verbs are its users.
//
// Its words:
//
//   - A verb is one subcommand. It lives in the file of its name.
//   - The endpoint is the daemon's address: AWS APIs at its root, the private API
//     under /_drydock/.
//   - A stack is what one stack file (drydock.yaml) describes. `up` makes it true.
//   - A remedy is the sentence at the end of an error that says what to do.
//
// A verb is an AWS client of the daemon for everything that AWS has, and reads the
// private API for the rest, so that whatever a verb does can be done with the AWS
// CLI too. Results go to standard output, progress and diagnostics to standard
// error. The exit code is 0 if what was asked for is so, 1 if it is not, and 2 if
// the command line or the stack file could not be understood. Verbs keep no state of
// their own: all of it is the daemon's.
package main
