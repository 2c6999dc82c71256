-- wrk -t1 -c64 -d8s -s predict.lua http://127.0.0.1:8000/predict
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"features": [5.1, 3.5, 1.4, 0.2]}'
