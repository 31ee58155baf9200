package awsapi

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Error is an error in AWS's words: what a server answers and what [Client.Do] returns.
type Error struct {
	Code    string
	Message string
	Status  int // HTTP status; 0 is what the service model says of the code, else 400
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns the code and message as they go on the wire.
func (e *Error) AWSError() (code, message string) { return e.Code, e.Message }

// awsError is what the noun packages' errors have in common.
type awsError interface {
	error
	AWSError() (code, message string)
}

// wireError returns what to answer for an error of a handler. An error that is not
// worded for AWS is our fault: its text stays in our log.
func wireError(s *Service, err error) *Error {
	var e *Error
	var worded awsError
	switch {
	case errors.As(err, &e):
		e = &Error{Code: e.Code, Message: e.Message, Status: e.Status}
	case errors.As(err, &worded):
		code, message := worded.AWSError()
		e = &Error{Code: code, Message: message}
	default:
		e = errInternal(s)
	}
	if e.Status == 0 {
		e.Status = http.StatusBadRequest
		if s != nil && s.Errors[e.Code] != 0 {
			e.Status = s.Errors[e.Code]
		}
	}
	return e
}

// errInternal has the code that a service gives for its own faults: ECS has one of its own.
func errInternal(s *Service) *Error {
	code := "InternalFailure"
	if s != nil && s.Errors["ServerException"] != 0 {
		code = "ServerException"
	}
	return &Error{Code: code, Message: "drydock failed to answer this call; its log says why.", Status: http.StatusInternalServerError}
}

func errSerialization(message string) *Error {
	return &Error{Code: "SerializationException", Message: message}
}

func errMalformed(message string) *Error {
	return &Error{Code: "MalformedInput", Message: message}
}

// errUnknownOperation says that AWS has no such operation, or that we don't serve it (WIRE-009).
func errUnknownOperation(p Protocol, message string) *Error {
	code := "InvalidAction"
	if p == JSON || p == CBOR {
		code = "UnknownOperationException"
	}
	return &Error{Code: code, Message: message, Status: http.StatusBadRequest}
}

// encodeError returns the error document of a protocol (WIRE-006). Without a protocol it is plain text.
func encodeError(p Protocol, requestID, namespace string, e *Error) []byte {
	switch p {
	case JSON:
		b := appendString([]byte(`{"__type":`), e.Code)
		return append(appendString(append(b, `,"message":`...), e.Message), '}')
	case Query, EC2:
		return encodeXMLError(p, requestID, namespace, e)
	case CBOR:
		return encodeCBORError(e)
	}
	return []byte(e.Error() + "\n")
}

func encodeXMLError(p Protocol, requestID, namespace string, e *Error) []byte {
	w := xmlWriter{protocol: p}
	w.WriteString(xml.Header)
	if p == EC2 {
		w.WriteString("<Response><Errors><Error>")
		w.element("Code", e.Code)
		w.element("Message", e.Message)
		w.WriteString("</Error></Errors>")
		w.element("RequestID", requestID)
		w.WriteString("</Response>\n")
		return w.Bytes()
	}
	w.WriteString("<ErrorResponse")
	if namespace != "" {
		fmt.Fprintf(&w, " xmlns=%q", namespace)
	}
	w.WriteString("><Error>")
	w.element("Type", fault(e))
	w.element("Code", e.Code)
	w.element("Message", e.Message)
	w.WriteString("</Error>")
	w.element("RequestId", requestID)
	w.WriteString("</ErrorResponse>\n")
	return w.Bytes()
}

// fault says whose fault an error is.
func fault(e *Error) string {
	if e.Status >= 500 {
		return "Receiver"
	}
	return "Sender"
}

// decodeError reads the error document of a protocol.
func decodeError(p Protocol, status int, body []byte) *Error {
	e := &Error{Status: status}
	if p == CBOR {
		e.Code, e.Message = decodeCBORError(body)
	} else if p == JSON {
		var document struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if json.Unmarshal(body, &document) == nil {
			_, code, found := strings.Cut(document.Type, "#")
			if !found {
				code = document.Type
			}
			e.Code, e.Message = code, document.Message
		}
	} else if root, err := parseXML(body); err == nil {
		at := root.child("Error")
		if p == EC2 {
			at = root.child("Errors").child("Error")
		}
		e.Code, e.Message = at.child("Code").string(), at.child("Message").string()
	}
	if e.Code == "" {
		e.Code, e.Message = http.StatusText(status), strings.TrimSpace(string(body))
	}
	return e
}
