# SPDX-License-Identifier: MIT OR Apache-2.0
"""Says how each case of Python's own test suite ended: "CASE ok|skipped|FAILED NAME".

The arguments are names of cases; without any, all of the modules in $MODULES.
"""

import os
import sys
import unittest
from test import support


class Verdicts(unittest.TextTestResult):
    """One line for each case, or for each failed part of one."""

    def say(self, verdict, test):
        print("CASE", verdict, test.id().replace(" ", "_"), flush=True)

    def addSuccess(self, test):
        self.say("ok", test)

    def addExpectedFailure(self, test, err):
        self.say("ok", test)

    def addSkip(self, test, reason):
        self.say("skipped", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("FAILED", test)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err is not None:
            super().addFailure(subtest, err)
            self.say("FAILED", test)


support.verbose = False
support.use_resources = []
for name in sys.argv[1:] or ["test." + module for module in os.environ["MODULES"].split()]:
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    unittest.TextTestRunner(resultclass=Verdicts, verbosity=0).run(suite)
print("CASES DONE")
