# SPDX-License-Identifier: MIT OR Apache-2.0
# The small C package of the job `make`: a part of the benchmark itself.
OBJECTS = exits.o machine.o report.o shared.o soak.o
CFLAGS = -std=gnu11 -O2 -Wall

libbench.a: $(OBJECTS)
	ar rc $@ $(OBJECTS)

$(OBJECTS): bench.h
