// A page that stands for one that is not there, in whatever folder: the site begins where its search is.
"use strict";

function lookUp(up, most) {
  const script = document.createElement("script");
  script.src = up + "search.js";
  document.querySelector("#search").dataset.up = up;
  script.onload = () => {
    for (const link of document.querySelectorAll('a:not([href^="#"])')) link.setAttribute("href", up + link.getAttribute("href"));
  };
  script.onerror = () => most && lookUp("../" + up, most - 1);
  document.head.append(script);
}

lookUp("", location.pathname.split("/").length - 2);
