// Package iam keeps the roles and policies that task definitions and deployment tools name.
//
// Its words:
//
//   - A [Role] is a name with a trust policy, inline policies and the ARNs of attached ones.
//   - A [Policy] is a managed policy of the account, with its versions.
//   - To adopt a role is to answer as if it existed, because production documents name roles that
//     exist elsewhere. An adopted role gives way to one that is created.
//
// [Directory] is the only writer of this state, which it makes durable through its [Store].
// Nothing is ever evaluated: whoever may call the API may do everything, and a policy is
// a text that is kept as it came.
package iam
