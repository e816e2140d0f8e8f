// Just enough of a browser for page.js: elements that remember, and a Plotly that only takes notes.
const drawn = {};
class Node {
  constructor(tag) { this.tag = tag; this.children = []; this.attributes = {}; this.listeners = {}; this.textContent = ''; this.parentNode = null; this.clientWidth = 900; this.hidden = false; }
  setAttribute(key, value) { this.attributes[key] = String(value); if (key === 'value' && this.tag === 'option') this.value = String(value); }
  append(...nodes) { for (const node of nodes) { if (node instanceof Node) { node.parentNode = this; if (this.tag === 'select' && this.children.length === 0) this.value = node.value; } this.children.push(node); } }
  replaceChildren(...nodes) { this.children = []; if (this.tag === 'select') this.value = undefined; this.append(...nodes); }
  addEventListener(name, call) { this.listeners[name] = call; }
  fire(name) { this.listeners[name](); }
  closest() { return null; }
  get options() { return this.children; }
  querySelector(selector) { return this.parts[selector] ||= Object.assign(new Node('div'), {name: this.id + ' ' + selector}); }
}
const sections = {};
for (const id of SECTIONS) { sections[id] = new Node('section'); sections[id].id = id; sections[id].parts = {}; }
sections.data = {textContent: DATA};
globalThis.document = {
  getElementById: id => sections[id] || null, createElement: tag => new Node(tag), documentElement: {}, querySelectorAll: () => [],
};
globalThis.getComputedStyle = () => ({getPropertyValue: name => ' ' + name + ' '});
globalThis.matchMedia = () => ({addEventListener: () => {}});
globalThis.addEventListener = () => {};
globalThis.Plotly = {
  react: (node, traces, layout) => { drawn[node.name || 'figure'] = {traces, layout}; },
  purge: node => { delete drawn[node.name]; }, Plots: {resize: () => {}},
};
const choose = (id, title, value, part = '.controls') => {
  const label = sections[id].querySelector(part).children.find(each => each.textContent === title);
  label.children[0].value = value;
  label.children[0].fire('change');
};
