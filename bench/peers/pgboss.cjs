// pg-boss: node pgboss.cjs prepare | submit <seconds>
const PgBoss = require("pg-boss");

const BATCH = 1000;
const specs = (begin) => Array.from({ length: BATCH }, (_, i) => ({ name: "add", data: { x: begin + i, y: 1 } }));

async function withBoss(use) {
  const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: 10, supervise: false, schedule: false });
  boss.on("error", console.error);
  await boss.start();
  try { await use(boss); } finally { await boss.stop({ graceful: false }); }
}

const prepare = () => withBoss((boss) => boss.createQueue("add"));

const submit = (seconds) => withBoss(async (boss) => {
  await boss.insert(specs(0));
  const began = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - began) / 1e9;
  let number = 0;
  const hand = async () => {
    while (elapsed() < seconds) { await boss.insert(specs(number)); number += BATCH; }
  };
  await Promise.all([hand(), hand(), hand()]);
  console.log(number / elapsed());
});

const [verb, argument] = process.argv.slice(2);
({ prepare, submit })[verb](Number(argument)).catch((error) => { console.error(error); process.exit(1); });
