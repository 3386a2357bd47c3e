// Requests of this page use the session that is open, as those of any page of the admin.
const here = new URL(".", document.baseURI);
const me = fetch(new URL("auth/me", here)).then((answer) => (answer.ok ? answer.json() : {}));

SwaggerUIBundle({
  url: new URL("openapi.json", here).href,
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: async (request) => {
    const { csrfToken } = await me;
    if (csrfToken && !["GET", "HEAD"].includes((request.method || "GET").toUpperCase())) {
      request.headers["X-CSRF-Token"] = csrfToken;
    }
    return request;
  },
});
