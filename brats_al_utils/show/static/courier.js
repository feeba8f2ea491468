// Turns what the kernel sends into files of this page, and tells the kernel their addresses; those before are dropped.
function initialize({ model }) {
  let urls = [];
  model.on("msg:custom", (_, buffers) => {
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = buffers.map((buffer) => URL.createObjectURL(new Blob([buffer])));
    model.send({ urls });
  });
}

export default { initialize };
