// Where the page begins.

import { App } from "./app.js";
import { write } from "./html.js";

const byId = (id) => document.getElementById(id);

async function start() {
  const about = await fetch("page.json");
  if (!about.ok) {
    throw new Error(`page.json could not be loaded (status ${about.status})`);
  }
  const app = new App(await about.json());
  byId("loading").remove();
  byId("page").hidden = false;
  app.begin();
  try {
    await app.load();
  } catch (error) {
    app.hint(error.message);
    throw error;
  }
  return app;
}

/** The page, once all networks are loaded; tests look at it. */
export const ready = start().catch((error) => {
  const loading = byId("loading");
  if (loading) write(loading, `The page cannot begin: ${error.message}`);
  throw error;
});
