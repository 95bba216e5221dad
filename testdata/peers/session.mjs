// What the checks know of one client's session: every frame in both directions,
// as the transport saw it, and the server's notifications as the client gave
// them out.

export const info = { name: 'peers', version: '1.0.0' };
export const capabilities = {
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
  sampling: {},
};

// patience bounds each wait for something that the server sends unasked. It
// only matters when a check fails.
const patience = 15_000;

export function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export class Session {
  sent = [];
  received = [];
  errors = [];
  notifications = [];
  #waiting = new Set();

  constructor(peer, transport) {
    this.peer = peer;
    this.client = peer.client;
    this.transport = transport;
    this.#tap();
    this.client.onerror = (e) => this.errors.push(String(e));
    this.client.fallbackNotificationHandler = async (notification) => {
      this.notifications.push(notification);
      for (const look of this.#waiting) look();
    };
  }

  // notified resolves to the params of the first notification of the method
  // that match accepts, be it here already or still to come.
  async notified(method, match = () => true, ms = patience) {
    let look;
    const found = new Promise((resolve) => {
      look = () => {
        const n = this.notifications.find((n) => n.method === method && match(n.params));
        if (n) resolve(n.params);
      };
    });
    this.#waiting.add(look);
    look();
    try {
      return await within(ms, found);
    } catch (e) {
      throw new Error(`${method}: ${e.message}`);
    } finally {
      this.#waiting.delete(look);
    }
  }

  // answers are the responses so far to the client's request with this id.
  answers(id) {
    return this.received.filter((m) => m.method === undefined && m.id === id);
  }

  // requests are those that the client sent so far.
  requests() {
    return this.sent.filter((m) => m.method !== undefined && m.id !== undefined);
  }

  // tap records the frames on their way between the client and its transport.
  #tap() {
    const { transport, sent, received } = this;
    let deliver;
    Object.defineProperty(transport, 'onmessage', {
      configurable: true,
      get: () => deliver && ((message, extra) => {
        received.push(message);
        deliver(message, extra);
      }),
      set: (f) => { deliver = f; },
    });
    const send = transport.send.bind(transport);
    transport.send = (message, options) => {
      sent.push(message);
      return send(message, options);
    };
  }
}

// settle replaces in a check's value what differs between any two sessions.
export function settle(value) {
  return JSON.parse(JSON.stringify(value ?? null), (key, v) => {
    if (typeof v !== 'string') return v;
    if (key === 'blob') v = Buffer.from(v, 'base64').toString('latin1');
    return v
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
      .replaceAll(/\b[0-9a-f]{32}\b/g, 'TASK')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replaceAll(/\d{1,2}:\d\d:\d\d( [AP]M)?/g, 'TIME');
  });
}

// outcome makes a value of an expected refusal too.
export function outcome(promise) {
  return promise.then(
    (result) => ({ result }),
    ({ code, message, data }) => ({ refused: { code, message, data } }),
  );
}
