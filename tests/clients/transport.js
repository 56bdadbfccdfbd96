// Events and profiles of the official Node client, unchanged, into a project.
//
//   const mixpanel = Mixpanel.init("token");
//   useSql(mixpanel, new pg.Pool(), "shop");
//
// All that the client sends goes through its `send_request`, which hands on what would be encoded into a URL or a form.

const FUNCTIONS = {
  "/track": "SELECT analytics_groups.track($1::jsonb, strict => false, project => $2) AS answer",
  "/import": "SELECT analytics_groups.track($1::jsonb, strict => true, project => $2) AS answer",
  "/engage": "SELECT analytics_groups.update_users($1::jsonb, $2) AS answer",
  "/groups": "SELECT analytics_groups.update_groups($1::jsonb, $2) AS answer",
};

// Identities are joined by calls here, not by events.
const alias = (db, properties, project) =>
  db.query("SELECT analytics_groups.alias($1, $2, $3)", [properties.distinct_id, properties.alias, project]);

async function send(db, project, { endpoint, data }) {
  if (data.event === "$create_alias") return alias(db, data.properties, project);
  if (!(endpoint in FUNCTIONS)) throw new Error(`No such endpoint "${endpoint}"`);
  const { rows } = await db.query(FUNCTIONS[endpoint], [JSON.stringify(data), project]);
  const { answer } = rows[0];
  if (answer.code !== 200) throw new Error("Mixpanel Server Error: " + answer.failed_records[0].message);
}

/** Makes a client send to `db`, a Client or Pool of `pg`; `project` null is that of the setting. */
exports.useSql = (mixpanel, db, project = null) => {
  mixpanel.send_request = (options, callback = () => {}) => {
    send(db, project, options).then(() => callback(), callback);
  };
};
