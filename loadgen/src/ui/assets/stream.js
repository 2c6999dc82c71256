// Updates from loadgen: server-sent events, or polling each second where a proxy holds them back.
// A page in the background takes none.
import { byId } from "./dom.js";

const PATIENCE_MS = 3000;
const POLL_MS = 1000;

export class Stream {
  // `pollPath` returns the path of the next poll. `onUpdate` takes each update.
  constructor(path, pollPath, onUpdate) {
    Object.assign(this, { path, pollPath, onUpdate, source: null, timer: null, isLive: false });
    this.onVisible = () => (document.hidden ? this.pause() : this.resume());
    document.addEventListener("visibilitychange", this.onVisible);
    this.resume();
  }

  resume() {
    if (this.source || this.timer) return;
    this.source = new EventSource(this.path);
    this.source.onmessage = (event) => {
      this.isLive = true;
      byId("lost").hidden = true;
      this.onUpdate(JSON.parse(event.data));
    };
    this.source.onerror = () => this.onLost();
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.isLive) return;
      this.source?.close();
      this.source = null;
      this.poll();
    }, PATIENCE_MS);
  }

  async onLost() {
    byId("lost").hidden = !this.isLive;
    // A session that has ended looks like a lost connection.
    const answer = await fetch("/api/form").catch(() => null);
    if (answer?.status === 401) location.href = "/login";
  }

  async poll() {
    try {
      const answer = await fetch(this.pollPath());
      if (answer.status === 401) location.href = "/login";
      this.onUpdate(await answer.json());
      byId("lost").hidden = true;
    } catch {
      byId("lost").hidden = false;
    }
    this.timer = setTimeout(() => this.poll(), POLL_MS);
  }

  pause() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = this.timer = null;
  }

  close() {
    document.removeEventListener("visibilitychange", this.onVisible);
    this.pause();
  }
}
