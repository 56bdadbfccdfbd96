// What the documents tell users of the official Node client to do, from top to bottom, against a server.
//
// The server is chosen by PGHOST, PGPORT, PGUSER and PGDATABASE. Needs what package-lock.json names.

const assert = require("node:assert/strict");
const Mixpanel = require("mixpanel");
const { Client } = require("pg");
const { useSql } = require("./transport");

const PROJECT = "client_node";
const TODAY = "(now() AT TIME ZONE 'UTC')::date";

let db;
const one = async (sql, ...args) => Object.values((await db.query(sql, args)).rows[0])[0];

// Of the last day or two: a test may run over midnight.
const count = (event, by, measure = "unique") =>
  one(
    `SELECT coalesce(sum(value), 0)::int FROM analytics_groups.insights($1, ${TODAY} - 1, ${TODAY} + 1, unit => 'range')`,
    JSON.stringify([{ event, measure, by }]),
  );
const profile = (id) => one("SELECT analytics_groups.user_profile($1) - '$last_seen'", id);
const company = (id) => one("SELECT analytics_groups.group_profile('company_id', $1) - '$last_seen'", id);

// The client takes callbacks; a test waits for each answer.
const done = (call) => new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())));

// The guides to group analytics from top to bottom, in one project: counts and profiles at the end.
const guides = async (mixpanel) => {
  await one("SELECT analytics_groups.add_group_key('team_id', 'Team')");
  // Implementation guide. What the browser's client keeps of a user, it keeps by calls here.
  await done((end) => mixpanel.track("page_view", { distinct_id: "$device:anoymous_id", $device_id: "anoymous_id" }, end));
  await one("SELECT analytics_groups.identify('$device:anoymous_id', 'existing_user')");
  await one("SELECT analytics_groups.add_group('existing_user', 'company_id', '\"company 1\"')");
  await done((end) => mixpanel.track("login", { distinct_id: "existing_user" }, end));
  const company_id = ["company 1", "company 2", "company 3"];
  await done((end) => mixpanel.track("Some Event", { distinct_id: "existing_user", company_id }, end));
  await done((end) => mixpanel.groups.set("company_id", "company 1", { "Company Type": "Analytics", "Company name": "Mixpanel" }, end));
  await done((end) => mixpanel.people.set("user_123", { company_id: ["1", "2"] }, end));
  // Standard group analytics.
  await done((end) => mixpanel.import("Purchase", 1690000000,
    { distinct_id: "user_123", company_id: "acme_corp", team_id: "engineering", amount: 99.99 }, end));
  await one("SELECT analytics_groups.set_group('user_456', 'company_id', '\"acme_corp\"')");
  await done((end) => mixpanel.track("Signed In", { distinct_id: "user_456" }, end));
  await done((end) => mixpanel.import("Invoice Paid", 1690000000, { distinct_id: "user_456", company_id: "acme_corp", amount: 2500 }, end));
  await done((end) => mixpanel.groups.set("company_id", "acme_corp",
    { $name: "Acme Corporation", plan: "enterprise", industry: "Technology", employee_count: 500 }, end));
  await done((end) => mixpanel.groups.set("company_id", "acme_corp", { $name: "Acme Corporation", plan: "enterprise" }, end));
  await one("SELECT analytics_groups.set_company_key('company_id')");

  // event: events, users, events of companies (one of several companies is one), companies, teams
  const counts = {
    $any: [6, 3, 5, 4, 1],
    page_view: [1, 1, 0, 0, 0],
    login: [1, 1, 1, 1, 0],
    "Some Event": [1, 1, 1, 3, 0],
    Purchase: [1, 1, 1, 1, 1],
    "Signed In": [1, 1, 1, 1, 0],
    "Invoice Paid": [1, 1, 1, 1, 0],
  };
  const asked = [["total", "user"], ["unique", "user"], ["total", "company_id"], ["unique", "company_id"], ["unique", "team_id"]];
  for (const [event, wanted] of Object.entries(counts)) {
    const found = [];
    for (const [measure, by] of asked) {
      const sql = `SELECT coalesce(sum(value), 0)::int FROM analytics_groups.insights($1, '2023-07-01', ${TODAY} + 1, unit => 'range')`;
      found.push(await one(sql, JSON.stringify([{ event, measure, by }])));
    }
    assert.deepEqual(found, wanted, event);
  }
  assert.deepEqual(await company("company 1"), { "Company Type": "Analytics", "Company name": "Mixpanel" });
  assert.deepEqual(await company("acme_corp"),
    { $name: "Acme Corporation", plan: "enterprise", industry: "Technology", employee_count: 500 });
  assert.deepEqual(await profile("existing_user"), { company_id: ["company 1"] });
  assert.deepEqual(await profile("user_123"), { company_id: ["1", "2"] });
  assert.deepEqual(await profile("user_456"), { company_id: ["acme_corp"] });
};

const tests = {
  "the guides as one run": guides,
  // Identities and groups of a browser are the business of the browser's client; on a server they are calls.
  "the flow of the implementation guide": async (mixpanel) => {
    await done((end) => mixpanel.track("page_view", { distinct_id: "$device:phone", $device_id: "phone" }, end));
    await one("SELECT analytics_groups.identify('$device:phone', 'existing_user')");
    await one("SELECT analytics_groups.add_group('existing_user', 'company_id', '\"company 1\"')");
    await done((end) => mixpanel.track("login", { distinct_id: "existing_user" }, end));
    assert.equal(await count("$any", "user"), 1);
    assert.equal(await count("$any", "user", "total"), 2);
    assert.equal(await count("page_view", "company_id", "total"), 0);
    assert.equal(await count("login", "company_id", "total"), 1);
    assert.deepEqual(await profile("existing_user"), { company_id: ["company 1"] });
  },
  "set_group registers the group for the events that follow": async (mixpanel) => {
    await one("SELECT analytics_groups.set_group('user_456', 'company_id', '\"acme_corp\"')");
    await done((end) => mixpanel.track_batch(
      [1, 2, 3].map((n) => ({ event: "Viewed", properties: { distinct_id: "user_456", n } })), end));
    assert.equal(await count("Viewed", "company_id", "total"), 3);
  },
  "an event of multiple groups": async (mixpanel) => {
    const company_id = ["company 1", "company 2", "company 3"];
    await done((end) => mixpanel.track("Some Event", { distinct_id: "u1", company_id }, end));
    assert.equal(await count("Some Event", "company_id"), 3);
    assert.equal(await count("Some Event", "user", "total"), 1);
  },
  "profiles of groups": async (mixpanel) => {
    const acme = ["company_id", "acme_corp"];
    await done((end) => mixpanel.groups.set(...acme, { $name: "Acme Corporation", plan: "enterprise" }, end));
    await done((end) => mixpanel.groups.set_once(...acme, { plan: "free", industry: "Technology" }, end));
    await done((end) => mixpanel.groups.union(...acme, { tags: ["a", "b"] }, end));
    await done((end) => mixpanel.groups.remove(...acme, { tags: "a" }, end));
    await done((end) => mixpanel.groups.unset(...acme, "$name", end));
    assert.deepEqual(await company("acme_corp"), { plan: "enterprise", industry: "Technology", tags: ["b"] });
    await done((end) => mixpanel.groups.delete_group(...acme, {}, end));
    assert.equal(await company("acme_corp"), null);
  },
  "the group key on the profile of a user": async (mixpanel) => {
    await done((end) => mixpanel.people.set("u1", { company_id: ["1", "2"] }, end));
    await done((end) => mixpanel.people.increment("u1", "logins", 2, end));
    await done((end) => mixpanel.people.append("u1", "pages", "home", end));
    assert.deepEqual(await profile("u1"), { company_id: ["1", "2"], logins: 2, pages: ["home"] });
  },
  "imports": async (mixpanel) => {
    const properties = { distinct_id: "user_456", $insert_id: "i1", company_id: "acme_corp", amount: 2500 };
    await done((end) => mixpanel.import("Invoice Paid", 1690000000, properties, end));
    const metric = [{ event: "Invoice Paid", measure: "sum", property: "amount", by: "company_id" }];
    const sql = "SELECT sum(value)::int FROM analytics_groups.insights($1, '2023-07-22', '2023-07-22')";
    assert.equal(await one(sql, JSON.stringify(metric)), 2500);
  },
  "alias": async (mixpanel) => {
    await done((end) => mixpanel.track("Login", { distinct_id: "ann" }, end));
    await done((end) => mixpanel.alias("ann", "ann@example.com", end));
    await done((end) => mixpanel.track("Login", { distinct_id: "ann@example.com" }, end));
    assert.equal(await count("Login", "user"), 1);
  },
  "errors reach the callback": async (mixpanel) => {
    await assert.rejects(done((end) => mixpanel.groups.set("nope", "acme", { a: 1 }, end)), /unknown group key/);
    await assert.rejects(done((end) => mixpanel.track("Login", { distinct_id: "undefined" }, end)), /distinct_id/);
  },
};

async function main() {
  let passed = 0, failed = 0;
  db = new Client();
  await db.connect();
  for (const [name, test] of Object.entries(tests)) {
    await one("SELECT analytics_groups.create_project($1)", PROJECT);
    try {
      await one("SELECT set_config('analytics_groups.project', $1, false)", PROJECT);
      await one("SELECT analytics_groups.add_group_key('company_id', 'Company')");
      const mixpanel = Mixpanel.init("YOUR_PROJECT_TOKEN", { key: "key" });
      useSql(mixpanel, db, PROJECT);
      await test(mixpanel);
      console.log(`ok: ${name}`);
      passed += 1;
    } catch (error) {
      console.log(`not ok: ${name}\n${error.stack}`);
      failed += 1;
    }
    await one("SELECT analytics_groups.drop_project($1)", PROJECT);
  }
  await db.end();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

main();
