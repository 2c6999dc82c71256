//! `/openapi.json` and `/docs`.

use crate::support::Server;

#[test]
fn every_path_of_the_document_is_there() {
    let server = Server::with("iris", &["--model-control-mode", "explicit"]);
    let document = server.get("/openapi.json").ok();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20);
    for (path, methods) in paths {
        let path = path.replace("{model}", "iris").replace("{version}", "1");
        for method in methods.as_object().unwrap().keys() {
            let status = match method.as_str() {
                "get" => server.get(&path).status,
                _ if path.ends_with("/unload") => continue,
                _ => server.post_to(&path, &[("content-type", "application/json")], "{}").status,
            };
            let described = &methods[method]["responses"][status.to_string()];
            assert!(
                described.is_object(),
                "{method} {path} answers {status}, which the document does not have"
            );
        }
        let other = if methods.get("get").is_some() {
            server.post_to(&path, &[], "").status
        } else {
            server.get(&path).status
        };
        assert_eq!(other, 405, "{path}");
    }
}

#[test]
fn the_document_is_about_the_model_that_is_served() {
    let document = Server::of("penguins").get("/openapi.json").ok();
    let request = &document["components"]["schemas"]["PredictRequest"];
    let named = request["anyOf"].as_array().unwrap().last().unwrap();
    assert_eq!(named["properties"]["island"]["type"], "string");
    assert_eq!(named["properties"]["bill_length_mm"]["type"][1], "null");
    assert_eq!(
        document["paths"]["/v2/models/{model}"]["get"]["parameters"][0]["schema"]["enum"][0],
        "penguins"
    );
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let server = Server::of("iris");
    let page = server.get("/docs");
    let html = String::from_utf8(page.body.clone()).unwrap();
    assert!(!html.contains("http"), "{html}");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
    for (file, media, some) in [
        ("swagger-ui.css", "text/css", ".swagger-ui"),
        ("swagger-ui-bundle.js", "text/javascript", "SwaggerUIBundle"),
        ("start.js", "text/javascript", "openapi.json"),
    ] {
        assert!(html.contains(&format!("docs/{file}")));
        let answer = server.get(&format!("/docs/{file}"));
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with(media));
        assert!(String::from_utf8_lossy(&answer.body).contains(some), "{file}");
        let gzip =
            server.client().get_with(&format!("/docs/{file}"), &[("accept-encoding", "gzip, br")]);
        if file.starts_with("swagger") {
            assert_eq!(gzip.header("content-encoding"), Some("gzip"));
            assert!(gzip.body.len() < answer.body.len() / 2);
        }
    }
    assert_eq!(server.get("/docs/../Cargo.toml").status, 404);
}
