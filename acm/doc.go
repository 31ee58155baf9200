// Package acm is AWS Certificate Manager on one machine: certificates that were imported,
// and certificates that were requested and are issued at once by a local authority.
//
// Its words:
//
//   - A [Certificate] is one row: what was asked for, the PEM documents with the private key,
//     and the deadline of its renewal. Its ARN never changes, its documents do when it is
//     renewed or imported again.
//   - The [Root] is the certificate of the local authority, which browsers and clients have to
//     trust (`drydock trust`). Its key lies in the state directory and nowhere else.
//   - A [Detail] is what DescribeCertificate tells of a certificate: the row and what its
//     X.509 document says.
//   - Users are the load balancers that a listener's certificate is in use by.
//
// [Authority] is the only writer of certificates and of the authority's files. It keeps rows
// in memory behind a mutex and writes them through its [Store] together with the events that
// tell of them. It validates no domain: on a laptop, whoever may call the API owns every
// name. It never talks to another authority and never renews what was imported.
package acm
