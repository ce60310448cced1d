// What is wrong with how a page looks: run inside it by test_report_browser.py; returns a list of sentences.
() => {
  const wrong = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) wrong.push(`the page scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);

  const say = (node) => `${node.tagName || node.parentElement.tagName} ${JSON.stringify((node.textContent || "").trim().slice(0, 50))}`;
  const shown = (element) => {
    for (let e = element; e; e = e.parentElement) {
      if (e.matches(".skip") || e.matches("details:not([open]) > :not(summary)")) return false;
      const style = getComputedStyle(e);
      if (style.display === "none" || style.visibility === "hidden") return false;
    }
    return true;
  };

  // every piece of text that is seen, with its boxes
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.textContent.trim() || !shown(node.parentElement)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) if (box.width > 0.5 && box.height > 0.5) texts.push({ node, box });
  }

  // nothing cut off: text lies in the window, in its picture, and in every box that hides what sticks out
  for (const { node, box } of texts) {
    const scroller = node.parentElement.closest(".scroll");
    if (!scroller && (box.left < -0.5 || box.right > root.clientWidth + 0.5)) wrong.push(`out of the window: ${say(node)}`);
    const picture = node.parentElement.closest("svg");
    const frame = picture && picture.getBoundingClientRect();
    if (frame && (box.left < frame.left - 0.5 || box.right > frame.right + 0.5 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1))
      wrong.push(`out of its picture: ${say(node)}`);
    for (let e = node.parentElement; e && e !== document.body; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (e.closest("svg") || style.display === "inline") continue;
      const hides = style.overflowX !== "visible" || style.textOverflow !== "clip";
      if (hides && style.overflowX !== "auto" && e.scrollWidth > e.clientWidth + 1) wrong.push(`clipped by ${e.tagName}.${e.className}: ${say(node)}`);
      if (e.scrollHeight > e.clientHeight + 2 && style.overflowY !== "visible" && e.clientHeight > 0) wrong.push(`clipped below by ${e.tagName}.${e.className}: ${say(node)}`);
      const own = e.getBoundingClientRect();
      if (["TD", "TH", "PRE", "LI", "DD"].includes(e.tagName) && box.right > own.right + 1) wrong.push(`sticks out of its ${e.tagName}: ${say(node)}`);
    }
  }

  // nothing overlaps: no two pieces of text, no two neighbours that are boxes
  const share = (a, b, slack) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > slack && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > slack;
  texts.sort((a, b) => a.box.top - b.box.top);
  for (let i = 0; i < texts.length; i++)
    for (let j = i + 1; j < texts.length && texts[j].box.top < texts[i].box.bottom; j++)
      if (texts[i].node !== texts[j].node && share(texts[i].box, texts[j].box, 3)) {
        const outside = [i, j].some((k) => texts[k].node.parentElement.closest(".scroll") &&
          !share(texts[k].box, texts[k].node.parentElement.closest(".scroll").getBoundingClientRect(), 0));
        if (!outside) wrong.push(`texts overlap: ${say(texts[i].node)} and ${say(texts[j].node)}`);
      }
  const boxed = (e) => !["inline", "none", "contents"].includes(getComputedStyle(e).display) && e.getBoundingClientRect().height > 1 && !e.closest("svg") && !e.matches(".skip");
  for (const parent of document.querySelectorAll("body, body *:not(svg *)")) {
    const boxes = [...parent.children].filter(boxed).map((e) => [e, e.getBoundingClientRect()]);
    for (let i = 0; i < boxes.length; i++)
      for (let j = i + 1; j < boxes.length; j++)
        if (share(boxes[i][1], boxes[j][1], 1.5)) wrong.push(`neighbours overlap: ${say(boxes[i][0])} and ${say(boxes[j][0])}`);
  }

  // contrast of every text with what lies under it
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const over = (layers) => {
    pen.clearRect(0, 0, 1, 1);
    for (const color of layers) { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const known = new Map();
  let lowest = 99;
  for (const { node } of texts) {
    const element = node.parentElement;
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(getComputedStyle(e).backgroundColor);
    const style = getComputedStyle(element);
    const color = element.closest("svg") ? style.fill : style.color;
    const key = layers.join() + color;
    if (!known.has(key)) {
      const [a, b] = [light(over(layers)), light(over([...layers, color]))];
      known.set(key, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
    }
    lowest = Math.min(lowest, known.get(key));
    if (known.get(key) < 4.5) wrong.push(`contrast ${known.get(key).toFixed(2)}: ${say(node)}`);
  }
  return { wrong: [...new Set(wrong)], lowest, n_texts: texts.length };
}
