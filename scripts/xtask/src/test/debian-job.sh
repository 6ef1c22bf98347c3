# SPDX-License-Identifier: MIT OR Apache-2.0
# What the Debian image's programs do in the app partition; any failure ends it.
set -eu
cd /root
mkdir tree
for i in $(seq 1 40); do
	mkdir "tree/$i"
	for j in $(seq 1 50); do echo "file $i $j $RANDOM" > "tree/$i/$j"; done
done
tar -cf tree.tar tree
mkdir unpacked
tar -xf tree.tar -C unpacked
diff -r tree unpacked/tree
echo "tar: $(find unpacked -type f | wc -l) files" > report

cat > sum.c <<'C'
#include <stdio.h>
int part(int n);
int main(void) { printf("sum %d\n", part(100)); return 0; }
C
cat > part.c <<'C'
int part(int n) { int s = 0; for (int i = 1; i <= n; i++) s += i; return s; }
C
printf 'sum: sum.o part.o\n\tgcc -o $@ $^\n%%.o: %%.c\n\tgcc -O2 -c -o $@ $<\n' > Makefile
make -j 2 sum
./sum | tee -a report
test "$(./sum)" = "sum 5050"

sqlite3 data.db <<'SQL'
create table t(a integer primary key, b text);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t select i, 'row ' || i from n;
commit;
SQL
echo "integrity $(sqlite3 data.db 'pragma integrity_check')" >> report
test "$(sqlite3 data.db 'select count(*) from t')" = 2000
python3 -c 'import os; print("python", sum(len(f) for _, _, f in os.walk("/root/unpacked")))' | tee -a report
perl -e 'print "perl ok\n"' | tee -a report
cat report
echo "debian job done"
