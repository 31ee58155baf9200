package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scenarioTests says which tests play the fifteen acceptance scenarios, in virtual time and on Docker.
var scenarioTests = [15][]string{
	{"TestScenario_1_GracefulDeployment", "TestRolling_300sUnderLoad", "graceful"},
	{"TestStopTask_502UntilDeregistered", "stopTaskUnderLoad"},
	{"TestScenario_3_IgnoresSIGTERM", "ignoresSIGTERM"},
	{"TestScenario_4_KeepAliveTooShort", "shortKeepAlive"},
	{"TestBreaker_RollsBackUnderLoad", "TestTrace_T4_CircuitBreaker", "breakerRollsBack"},
	{"TestRolling_GapOfMin0Max100", "TestScenario_6_Stuck", "gapAndStuck"},
	{"TestScenario_7_SecurityGroupInTheWay", "securityGroup"},
	{"TestScenario_8_SlowBoot", "slowBoot"},
	{"TestScenario_9_OutOfMemory", "TestCrash_UnderLoad", "outOfMemory"},
	{"TestScenario_10_BadImage", "badImage"},
	{"TestScenario_11_ScaleIn", "scaleIn"},
	{"TestScenario_12_OverlappingDeployments", "overlapping"},
	{"TestScenario_13_StopOrderAndSidecar", "sidecars"},
	{"TestScenario_14_DeleteAndCreateAgain", "deleteAndCreate"},
	{"TestScenario_15_RestartPolicy", "restartPolicy"},
}

// TestScenarios_EachHasItsTests fails if a scenario's test has gone.
func TestScenarios_EachHasItsTests(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for n, names := range scenarioTests {
		for _, name := range names {
			if !strings.Contains(source.String(), "\nfunc "+name+"(") {
				t.Errorf("scenario %d: there is no test %s", n+1, name)
			}
		}
	}
}
